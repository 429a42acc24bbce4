"""Tools, tool calls and their results in Anthropic's dialect."""

import re
from typing import Any

import pytest
from unit.support.anthropic_requests import CALL, WEATHER, body, refused, text, turns
from unit.support.operations import HELLO

NOW = {"type": "function", "function": {"name": "now"}}


def test_anthropic_request_sends_tool_calls_and_results_as_blocks() -> None:
    assert turns(
        HELLO,
        {"role": "assistant", "content": "let me see", "tool_calls": [CALL, {**CALL, "id": "call_b"}]},
        {"role": "tool", "content": "rain", "tool_call_id": "call_a"},
        {"role": "tool", "content": [text("su"), text("n")], "tool_call_id": "call_b"},
        {"role": "user", "content": "and now?"},
    )[1:] == [
        {
            "role": "assistant",
            "content": [
                text("let me see"),
                {"type": "tool_use", "id": "call_a", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "call_b", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_a", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "call_b", "content": "sun"},
                text("and now?"),
            ],
        },
    ]


def test_anthropic_request_gives_a_tool_call_without_arguments_an_empty_input() -> None:
    call = {**CALL, "function": {"name": "now", "arguments": ""}}

    assert turns(HELLO, {"role": "assistant", "tool_calls": [call]})[1]["content"][0]["input"] == {}


@pytest.mark.parametrize("arguments", ['{"city":', "[1]", '"Oslo"', "\\"])
def test_anthropic_request_rejects_arguments_that_are_no_json_object(arguments: str) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}

    error = refused(HELLO, {"role": "assistant", "tool_calls": [call]})

    param = "messages[1].tool_calls[0].function.arguments"
    assert (error.code, error.detail.param) == ("invalid_request", param)
    assert "Oslo" not in error.detail.message


def test_anthropic_request_gives_tools_an_input_schema() -> None:
    assert body(tools=[WEATHER, NOW])["tools"] == [
        {"name": "weather", "description": "tells it", "input_schema": {"type": "object", "properties": {}}},
        {"name": "now", "input_schema": {"type": "object"}},
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "theirs"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("none", None, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, None, {"type": "tool", "name": "weather"}),
        (None, True, {"type": "auto"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
    ],
)
def test_anthropic_request_translates_a_tool_choice(
    choice: Any, parallel: bool | None, theirs: dict[str, Any] | None
) -> None:
    sent = body(tools=[WEATHER], tool_choice=choice, parallel_tool_calls=parallel)

    assert sent.get("tool_choice") == theirs


def test_anthropic_request_without_tools_has_no_tool_choice() -> None:
    assert body(tool_choice="auto", parallel_tool_calls=False) == body()


@pytest.mark.parametrize("good", ["toolu_01A", "call-1", "a" * 64])
def test_anthropic_request_keeps_a_valid_tool_id(good: str) -> None:
    assert ids_of(good)[0] == good


def ids_of(*ids: str) -> list[str]:
    calls = [{**CALL, "id": id_} for id_ in ids]
    results = [{"role": "tool", "tool_call_id": id_, "content": "r"} for id_ in ids]
    sent = turns(HELLO, {"role": "assistant", "tool_calls": calls}, *results)
    requested = [block["id"] for block in sent[1]["content"]]
    assert [block["tool_use_id"] for block in sent[2]["content"]] == requested
    return requested


@pytest.mark.parametrize("ids", [("functions.clock:0",), ("a.b", "a:b"), ("", ""), ("é" * 100,), ("a" * 65, "a" * 66)])
def test_anthropic_request_rewrites_an_invalid_tool_id_equally_in_call_and_result(ids: tuple[str, ...]) -> None:
    made = ids_of(*ids)

    assert len(set(made)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in made)
    assert ids_of(*ids) == made


def test_anthropic_request_sends_an_image_in_a_tool_result_as_an_image() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    sent = turns(
        HELLO,
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_a", "content": [text("see"), picture]},
    )

    assert sent[2]["content"][0]["content"] == [
        text("see"),
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,AA=="}},
        {"type": "a-type-of-tomorrow"},
    ],
)
def test_anthropic_request_rejects_unsupported_parts_by_path(part: dict[str, Any]) -> None:
    error = refused({"role": "user", "content": [text("hi"), part]})

    assert error.code == "unsupported_by_provider"
    assert (error.detail.param or "").startswith("messages[0].content[1]")


@pytest.mark.parametrize("arguments", [None, {"city": "Oslo"}])
def test_anthropic_request_accepts_empty_and_object_arguments(arguments: Any) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}

    assert turns(HELLO, {"role": "assistant", "tool_calls": [call]})[1]["content"][0]["input"] == (arguments or {})


def test_anthropic_request_gives_a_tool_schema_a_type_and_keeps_integers_of_any_size() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"maximum": 2**256 - 1}}}

    assert body(tools=[tool])["tools"] == [
        {"name": "f", "strict": True, "input_schema": {"type": "object", "maximum": 2**256 - 1}}
    ]
