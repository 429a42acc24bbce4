"""A client's chat body: the fields that are checked, and those that are passed on unchanged."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.chat_bodies import HELLO, chat, parts, read, refused
from unit.support.structs import JSON, values

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import CHECKED, read_chat
from penstock_contract.request.json_body import FIELDS_MAX, LARGE_BODY_BYTES, STRINGS_MAX
from penstock_contract.request.operations import UNSUPPORTED, ChatCompletionRequest

UINT256 = b"115792089237316195423570985008687907853269984665640564039457584007913129639935"


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
def test_chat_body_keeps_fields_for_the_provider_byte_for_byte(more: bytes) -> None:
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
def test_chat_body_accepts_messages_of_known_and_unknown_roles(message: dict[str, Any]) -> None:
    assert json.loads(chat(messages=[message]).operation.body)["messages"] == [message]


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
def test_chat_body_error_names_the_invalid_field(more: bytes, param: str) -> None:
    found, message = refused(HELLO + b"," + more + b"}")
    assert found == param
    assert param in message


@pytest.mark.parametrize("field", UNSUPPORTED)
def test_chat_body_rejects_a_field_that_changes_the_form_of_the_answer(field: str) -> None:
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
def test_chat_body_accepts_https_and_data_addresses_only(field: str, path: str, url: str) -> None:
    for value, where in (({"url": url}, path), (url, field)):
        with pytest.raises(PenstockError) as error:
            parts({"type": field, field: value})
        assert error.value.detail.param == f"messages[0].content[0].{where}"


def test_chat_body_sends_the_validated_value_of_a_duplicate_name() -> None:
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
def test_chat_body_rejects_an_unreadable_body_with_the_reason(body: bytes, reason: str) -> None:
    assert reason in refused(body)[1]


def test_chat_body_ignores_a_byte_order_mark() -> None:
    assert read_chat(b"\xef\xbb\xbf" + HELLO + b"}").operation.body == HELLO + b"}"


def test_chat_body_rejects_a_large_body_of_very_many_strings_before_decoding() -> None:
    many = b",".join(b'"u%d":1' % number for number in range(STRINGS_MAX))
    assert len(many) > LARGE_BODY_BYTES
    assert "strings" in refused(HELLO + b"," + many + b"}")[1]
    text = b'\\"quoted\\":' * STRINGS_MAX
    assert read(b'"user":"' + text + b'"').operation.input_tokens > len(text) // 4, "escaped quotes are text"


def outcome(body: bytes) -> str | None:
    """Reads a body, which is kept unchanged or rejected as invalid; returns the path of a rejected field."""
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
def test_chat_body_of_the_public_type_is_accepted_or_rejected_by_field(request: ChatCompletionRequest) -> None:
    body = msgspec.json.encode(request)
    outcome(body)


@given(name=st.sampled_from([*CHECKED, *UNSUPPORTED, "unknown", "metadata", "Model"]), value=JSON)
def test_chat_body_field_of_any_json_is_kept_or_rejected_by_name(name: str, value: Any) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], name: value}).encode()
    param = outcome(body)
    assert param is None or param.startswith(name)


@given(message=st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name", "x"]), JSON), part=JSON)
def test_chat_body_messages_of_any_json_raise_no_other_error(message: dict[str, Any], part: Any) -> None:
    for one in (
        message,
        {"role": "user", "content": [part]},
        {"role": "user", "content": [{"type": "text", "x": part}]},
    ):
        outcome(json.dumps({"model": "m", "messages": [one]}).encode())
