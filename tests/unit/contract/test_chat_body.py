"""A client's chat body: what is checked, what goes on as it came, and how much input it is."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.structs import JSON, values

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import CHECKED, ChatBody, read_chat
from penstock_contract.request.input_size import TOKENS_PER_IMAGE
from penstock_contract.request.json_body import FIELDS_MAX, LARGE_BODY_BYTES, STRINGS_MAX
from penstock_contract.request.operations import UNSUPPORTED, ChatCompletionRequest

HELLO = b'{"model":"m","messages":[{"role":"user","content":"hi"}]'
UINT256 = b"115792089237316195423570985008687907853269984665640564039457584007913129639935"


def read(more: bytes = b"") -> ChatBody:
    return read_chat(HELLO + (b"," + more if more else b"") + b"}")


def said(**fields: Any) -> ChatBody:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return read_chat(json.dumps(body).encode())


def refused(body: bytes) -> tuple[str | None, str]:
    with pytest.raises(PenstockError) as error:
        read_chat(body)
    assert error.value.code == "invalid_request"
    return error.value.detail.param, error.value.detail.message


def parts(*content: Any) -> ChatBody:
    return said(messages=[{"role": "user", "content": list(content)}])


@pytest.mark.parametrize(
    "more",
    [
        b'"tools":[{"type":"function","function":{"name":"f","parameters":{"maximum":' + UINT256 + b"}}}]",
        b'"response_format":{"type":"json_schema","json_schema":{"schema":{"maximum":' + UINT256 + b"}}}",
        b'"response_format":{"type":"json_object","schema":{"enum":["Paris"]}}',
        b'"top_k":100000000000000000000',
        b'"unknown":{"a":[null,1.0,' + UINT256 + b"]}",
        b'"tools":[{"type":"custom","custom":{"name":"c"}}]',
        b'"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}',
        b'"reasoning_effort":{"effort":"low"}',
        b'"metadata":{"a":1}',
        b'"stream_options":{"include_usage":null,"include_obfuscation":false}',
        b'"max_tokens":64.0',
        b'"max_tokens":-1',
        b'"n":1.0',
        b'"logprobs":false',
        b'"functions":null',
    ],
)
def test_what_a_provider_judges_goes_on_byte_for_byte(more: bytes) -> None:
    assert read(more).operation.body == HELLO + b"," + more + b"}"


@pytest.mark.parametrize(
    "message",
    [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": None}}],
        },
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "c", "input": "x"}}]},
        {"role": "assistant", "content": "a", "prefix": True, "reasoning_details": [{"type": "reasoning.text"}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]},
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": "https://example.com/a.png"}]},
        {"role": "user", "content": [{"type": "a-type-of-tomorrow", "x": 1}]},
    ],
)
def test_messages_of_every_known_kind_and_of_kinds_to_come_are_accepted(message: dict[str, Any]) -> None:
    assert json.loads(said(messages=[message]).operation.body)["messages"] == [message]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        (b'"seed":1000000000000000000000000000000', "seed"),
        (b'"seed":1.5', "seed"),
        (b'"seed":1e400', "seed"),
        (b'"max_tokens":' + UINT256, "max_tokens"),
        (b'"max_tokens":64.5', "max_tokens"),
        (b'"max_tokens":0', "max_tokens"),
        (b'"max_completion_tokens":"many"', "max_completion_tokens"),
        (b'"temperature":3', "temperature"),
        (b'"temperature":-0.1', "temperature"),
        (b'"top_p":1e99', "top_p"),
        (b'"n":0', "n"),
        (b'"n":129', "n"),
        (b'"n":' + UINT256, "n"),
        (b'"logit_bias":{"1":"a"}', "logit_bias[...]"),
        (b'"stop":[1]', "stop[0]"),
        (b'"stream":"yes"', "stream"),
        (b'"stream_options":{"include_usage":"1"}', "stream_options.include_usage"),
        (b'"tools":[{"type":"function"}]', "tools[0].function"),
        (b'"tools":[{"function":{}}]', "tools[0].function.name"),
        (b'"tool_choice":5', "tool_choice"),
        (b'"response_format":{}', "response_format.type"),
        (b'"messages":[{"role":"user","content":[{"type":"text"}]}]', "messages[0].content[0].text"),
        (b'"messages":[{"role":"user","content":[{"text":"a"}]}]', "messages[0].content[0].type"),
        (b'"messages":[{"role":"robot"}]', "messages[0].role"),
        (b'"messages":[{}]', "messages[0].role"),
        (b'"messages":[]', "messages"),
        (b'"model":""', "model"),
    ],
)
def test_a_bad_field_is_named(more: bytes, param: str) -> None:
    found, message = refused(HELLO + b"," + more + b"}")
    assert found == param
    assert param in message


@pytest.mark.parametrize("field", UNSUPPORTED)
def test_a_field_that_would_make_another_answer_is_refused_by_name(field: str) -> None:
    assert refused(HELLO + b',"%b":[1]}' % field.encode())[0] == field


@pytest.mark.parametrize(
    ("field", "path"), [("image_url", "image_url.url"), ("video_url", "video_url.url"), ("audio_url", "audio_url.url")]
)
@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://a",
        "javascript:alert(1)",
        "http://169.254.169.254/",
        "http://example.com/a.png",
        "//a/b",
        "a.png",
        "",
        " https://a",
    ],
)
def test_an_address_is_https_or_data(field: str, path: str, url: str) -> None:
    for value, where in (({"url": url}, path), (url, field)):
        with pytest.raises(PenstockError) as error:
            parts({"type": field, field: value})
        assert error.value.detail.param == f"messages[0].content[0].{where}"


def test_of_a_name_that_comes_twice_the_checked_one_is_the_one_that_is_sent() -> None:
    body = b'{"model":"a","model":"b","messages":[],"messages":[{"role":"user","content":"hi"}]}'
    assert read_chat(body).model == "b"
    assert json.loads(read_chat(body).operation.body)["messages"] == [{"role": "user", "content": "hi"}]
    two = b'[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a","url":"file:///a"}}]}]'
    assert refused(b'{"model":"m","messages":' + two + b"}")[0] == "messages[0].content[0].image_url.url"
    assert json.loads(two)[0]["content"][0]["image_url"]["url"] == "file:///a", "as most readers of JSON"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"[1]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (HELLO + b',"a":NaN}', "not valid JSON"),
        (HELLO + b',"a":"\xff"}', "not valid JSON"),
        (HELLO + b',"a":"\\ud83d"}', "surrogate pair"),
        (HELLO + b',"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deeply"),
        (b"{" + b",".join(b'"u%d":1' % number for number in range(FIELDS_MAX + 1)) + b"}", "fields"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    assert reason in refused(body)[1]


def test_a_byte_order_mark_is_no_part_of_the_body() -> None:
    assert read_chat(b"\xef\xbb\xbf" + HELLO + b"}").operation.body == HELLO + b"}"


def test_a_large_body_of_very_many_strings_is_refused_before_it_is_decoded() -> None:
    many = b",".join(b'"u%d":1' % number for number in range(STRINGS_MAX))
    assert len(many) > LARGE_BODY_BYTES
    assert "strings" in refused(HELLO + b"," + many + b"}")[1]
    text = b'\\"quoted\\":' * STRINGS_MAX
    assert read(b'"user":"' + text + b'"').operation.input_tokens > len(text) // 4, "escaped quotes are text"


# The count of input


def test_everything_that_is_sent_is_counted() -> None:
    base = read().operation.input_tokens
    long = "a" * 40_000
    for fields in (
        {"tools": [{"type": "function", "function": {"name": "f", "description": long}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"description": long}}}},
        {"metadata": {"a": long}},
        {"prompt_cache_key": long},
        {"unknown": long},
        {"user": long},
        {"messages": [{"role": "user", "content": "hi", "name": long}]},
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": long, "arguments": "{}"}}]}
            ]
        },
        {"messages": [{"role": "user", "content": "hi", "unknown": long}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "unknown": long}]}]},
        {"messages": [{"role": "user", "content": f"data:image/png;base64,{long}"}]},
    ):
        assert said(**fields).operation.input_tokens >= base + 10_000


def test_a_picture_counts_as_a_picture_and_not_by_its_bytes() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    few = parts(picture).operation.input_tokens
    assert TOKENS_PER_IMAGE < few < TOKENS_PER_IMAGE + 50
    assert parts(picture, picture).operation.input_tokens > 2 * TOKENS_PER_IMAGE


def test_files_and_sound_have_rules_of_their_own() -> None:
    data = "A" * 1_000_000
    pdf = parts({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}"}})
    sound = parts({"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}})
    assert 1_000_000 // 32 <= pdf.operation.input_tokens < 1_000_000 // 32 + 100
    assert 1_000_000 // 256 <= sound.operation.input_tokens < 1_000_000 // 256 + 100


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": "data:text/plain;base64," + "A" * 40_000}},
        {"type": "file", "file": {"file_data": "A" * 40_000}},
        {"type": "image_url", "image_url": {"url": "data:text/html," + "a" * 40_000}},
        {"type": "video_url", "video_url": {"url": "data:," + "a" * 40_000}},
    ],
)
def test_text_in_the_place_of_a_file_is_counted_in_full(part: dict[str, Any]) -> None:
    assert parts(part).operation.input_tokens >= 10_000


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://a", "URL": "file:///etc/passwd"}}, "image_url.URL"),
        ({"type": "image_url", "image_url": {"url": "https://a"}, "Image_url": {"url": "file:///"}}, "Image_url"),
        ({"type": "x", "Type": "image_url", "IMAGE_URL": {"url": "file:///"}}, "Type"),
        ({"type": "video_url", "video_url": {"Url": "file:///", "url": "https://a"}}, "video_url.Url"),
    ],
)
def test_a_name_in_a_part_that_differs_by_case_from_an_address_is_refused(part: dict[str, Any], param: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    assert refused(json.dumps(body).encode())[0] == f"messages[0].content[0].{param}"


def test_a_part_of_text_with_a_case_twin_is_refused_like_any_other() -> None:
    part = {"type": "text", "text": "x", "Type": "image_url", "Image_Url": {"url": "file:///"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    assert refused(json.dumps(body).encode())[0] == "messages[0].content[0].Type"


def test_escapes_count_as_the_characters_that_they_are() -> None:
    text = "漢字" * 1000
    escaped = read_chat(json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode())
    plain = read_chat(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()
    )
    assert escaped.operation.input_tokens == plain.operation.input_tokens


def test_text_that_only_looks_like_escapes_is_counted_in_full() -> None:
    looks = said(messages=[{"role": "user", "content": "\\u1234" * 1000}]).operation
    assert looks.input_tokens >= len("\\u1234" * 1000) // 4
    assert said(messages=[{"role": "user", "content": "\\u" * 10_000}]).operation.input_tokens >= 5_000


# Properties


def outcome(body: bytes) -> str | None:
    """Reads a body that may be bad: it is kept as it came, or refused as invalid; returns the field's path then."""
    error: PenstockError | None = None
    try:
        read_body = read_chat(body).operation.body
    except PenstockError as refusal:
        error = refusal
    if error is None:
        assert read_body == body
        return None
    assert error.code == "invalid_request"
    return error.detail.param


@given(request=values(ChatCompletionRequest))
def test_whatever_the_public_type_can_hold_is_accepted_or_refused_with_a_field(request: ChatCompletionRequest) -> None:
    body = msgspec.json.encode(request)
    outcome(body)


@given(name=st.sampled_from([*CHECKED, *UNSUPPORTED, "unknown", "metadata", "Model"]), value=JSON)
def test_a_field_of_any_json_is_accepted_as_it_came_or_refused_with_its_name(name: str, value: Any) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], name: value}).encode()
    param = outcome(body)
    assert param is None or param.startswith(name)


@given(message=st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name", "x"]), JSON), part=JSON)
def test_messages_of_any_json_never_fail_in_another_way(message: dict[str, Any], part: Any) -> None:
    for one in (
        message,
        {"role": "user", "content": [part]},
        {"role": "user", "content": [{"type": "text", "x": part}]},
    ):
        outcome(json.dumps({"model": "m", "messages": [one]}).encode())
