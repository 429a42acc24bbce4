"""A client's body of Anthropic's Messages API: what is checked, what goes on as it came, and how much input it is."""

import json
from typing import Any

import pytest

from penstock_contract.anthropic.body import (
    MessagesBody,
    check_version,
    read_count,
    read_messages,
)
from penstock_contract.errors import PenstockError
from penstock_contract.request.input_size import TOKENS_PER_IMAGE

HELLO = [{"role": "user", "content": "hi"}]


def raw(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 9, "messages": HELLO, **fields}).encode()


def read(**fields: Any) -> MessagesBody:
    return read_messages(raw(**fields))


def content(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def refused(body: bytes) -> str | None:
    with pytest.raises(PenstockError) as error:
        read_messages(body)
    assert error.value.code == "invalid_request"
    return error.value.detail.param


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


PICTURE = image(type="base64", media_type="image/png", data="A" * 40_000)

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": None}, "model"),
    "no messages": ({"messages": []}, "messages"),
    "a role": ({"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role"),
    "a message without content": ({"messages": [{"role": "user"}]}, "messages[0].content"),
    "a negative bound": ({"max_tokens": -1}, "max_tokens"),
    "half a token": ({"max_tokens": 1.5}, "max_tokens"),
    "a temperature": ({"temperature": 1.5}, "temperature"),
    "a top_p": ({"top_p": 2}, "top_p"),
    "stops": ({"stop_sequences": "END"}, "stop_sequences"),
    "a choice without a type": ({"tool_choice": {"name": "f"}}, "tool_choice.type"),
    "thinking without a type": ({"thinking": {"budget_tokens": 1}}, "thinking.type"),
    "a block without a type": (content({"text": "a"}), "messages[0].content[0].type"),
    "a text without text": (content({"type": "text"}), "messages[0].content[0].text"),
    "a text of a number": (content({"type": "text", "text": 1}), "messages[0].content[0].text"),
    "an image without a source": (content({"type": "image"}), "messages[0].content[0].source"),
    "an image without data": (content(image(type="base64")), "messages[0].content[0].source.data"),
    "a file's address": (content(image(type="url", url="file:///etc/passwd")), "messages[0].content[0].source.url"),
    "an address without TLS": (content(image(type="url", url="http://a/b")), "messages[0].content[0].source.url"),
    "a twin of an address": (
        content(image(type="base64", data="", URL="file:///")),
        "messages[0].content[0].source.URL",
    ),
    "a twin of a type": (content({"type": "text", "text": "a", "Type": "image"}), "messages[0].content[0].Type"),
    "a picture in a result": (
        content({"type": "tool_result", "tool_use_id": "t", "content": [image(type="url", url="ftp://a")]}),
        "messages[0].content[0].content[0].source.url",
    ),
    "a system block": ({"system": [{"type": "text"}]}, "system[0].text"),
}


@pytest.mark.parametrize("name", BAD)
def test_messages_body_names_the_field_that_is_wrong(name: str) -> None:
    fields, param = BAD[name]

    assert refused(raw(**fields)) == param


@pytest.mark.parametrize("name", ["model", "max_tokens", "messages"])
def test_messages_body_requires_its_fields(name: str) -> None:
    body = {"model": "m", "max_tokens": 9, "messages": HELLO}
    del body[name]

    assert refused(json.dumps(body).encode()) == name


def test_messages_body_keeps_its_bytes_and_the_names_of_fields_with_a_value() -> None:
    body = raw(novel={"a": 1}, container=None, mcp_servers=[], stop_sequences=["END"], stream=True)

    found = read_messages(body)

    assert (found.body, found.stream, found.stops) == (body, True, ("END",))
    assert found.fields == ("model", "max_tokens", "messages", "novel", "stop_sequences", "stream")


def test_messages_body_passes_blocks_and_tools_of_unknown_types() -> None:
    read(**content({"type": "hologram", "source": 3, "content": "x"}), tools=[{"type": "laser_20270101"}])


@pytest.mark.parametrize(
    ("thinking", "with_thinking"),
    [
        (None, False),
        ({"type": "disabled"}, False),
        ({"type": "enabled", "budget_tokens": 1024}, True),
        ({"type": "adaptive"}, True),
        ({"type": "adaptive", "display": "omitted"}, False),
    ],
)
def test_messages_body_reads_whether_thinking_is_requested(thinking: Any, *, with_thinking: bool) -> None:
    assert read(thinking=thinking).with_thinking is with_thinking


def test_messages_body_counts_a_picture_by_its_price_and_not_by_its_bytes() -> None:
    inside = {"type": "tool_result", "tool_use_id": "t", "content": [PICTURE]}

    plain = read(**content({"type": "text", "text": "a"})).input_tokens
    assert TOKENS_PER_IMAGE <= read(**content(PICTURE)).input_tokens < plain + TOKENS_PER_IMAGE + 50
    assert TOKENS_PER_IMAGE <= read(**content(inside)).input_tokens < plain + TOKENS_PER_IMAGE + 60
    assert read(**content(image(type="url", url="https://a/b"))).input_tokens > TOKENS_PER_IMAGE


def test_messages_body_counts_a_text_document_as_text() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "word " * 4000}}

    assert read(**content(document)).input_tokens >= 5000


def test_count_body_needs_no_bound_and_charges_nothing() -> None:
    found = read_count(json.dumps({"model": "m", "messages": HELLO}).encode())

    assert found.input_tokens > 0
    assert found.count("2023-06-01").input_tokens == 0


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_messages_version_is_accepted(version: str) -> None:
    check_version(version, ("model", "messages"))


@pytest.mark.parametrize(
    ("version", "fields", "param"),
    [
        ("2023-01-01", (), "anthropic-version"),
        ("", (), "anthropic-version"),
        ("2026-10-21", ("temperature",), "temperature"),
        ("2026-10-21", ("model", "top_p"), "top_p"),
        ("2026-10-21", ("top_k",), "top_k"),
    ],
)
def test_messages_version_names_what_it_lacks(version: str, fields: tuple[str, ...], param: str) -> None:
    with pytest.raises(PenstockError) as error:
        check_version(version, fields)

    assert (error.value.code, error.value.detail.param) == ("invalid_request", param)
