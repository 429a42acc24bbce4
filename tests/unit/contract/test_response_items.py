"""Input items of the Responses API and the messages that they become."""

from typing import Any

import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.openai_responses.input_items import chat_messages, items_of
from penstock_contract.openai_responses.sealed_reasoning import sealed
from penstock_contract.openai_responses.stored import StoredInput, listed

Items = list[dict[str, Any]]
USER: dict[str, Any] = {"role": "user", "content": "hi"}
DETAIL = {"type": "reasoning.text", "text": "hm", "signature": "s"}


def call(number: int) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{number}", "call_id": f"c{number}", "name": "f", "arguments": "{}"}


def output(number: int, value: Any = "x") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": f"c{number}", "output": value}


def said(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}


def reasoning(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": text}], **fields}


def chat_call(number: int) -> dict[str, Any]:
    return {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def tool(number: int) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": "x"}


CASES: dict[str, tuple[Items, Items]] = {
    "a turn": ([USER, said("a"), USER], [USER, {"role": "assistant", "content": "a"}, USER]),
    "parts": (
        [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "t"},
                    {"type": "input_image", "image_url": "https://x.example/i.png", "detail": "low"},
                    {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "f.pdf"},
                ],
            }
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "t"},
                    {"type": "image_url", "image_url": {"url": "https://x.example/i.png", "detail": "low"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "f.pdf"}},
                ],
            }
        ],
    ),
    "two calls in one turn": (
        [USER, call(1), call(2), output(1), output(2)],
        [USER, {"role": "assistant", "tool_calls": [chat_call(1), chat_call(2)]}, tool(1), tool(2)],
    ),
    "two calls, one after the other": (
        [call(1), output(1), call(2), output(2)],
        [
            {"role": "assistant", "tool_calls": [chat_call(1)]},
            tool(1),
            {"role": "assistant", "tool_calls": [chat_call(2)]},
            tool(2),
        ],
    ),
    "reasoning, text and a call": (
        [reasoning("hm"), said("a"), call(1), output(1)],
        [{"role": "assistant", "reasoning_content": "hm", "content": "a", "tool_calls": [chat_call(1)]}, tool(1)],
    ),
    "text behind a call": (
        [call(1), said("a"), output(1)],
        [{"role": "assistant", "tool_calls": [chat_call(1)], "content": "a"}, tool(1)],
    ),
    "reasoning between calls": (
        [reasoning("a"), call(1), reasoning("b"), call(2), output(1), output(2)],
        [
            {"role": "assistant", "reasoning_content": "a\n\nb", "tool_calls": [chat_call(1), chat_call(2)]},
            tool(1),
            tool(2),
        ],
    ),
    "two answers": (
        [said("a"), said("b")],
        [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}],
    ),
    "sealed reasoning": (
        [reasoning("hm", encrypted_content=sealed([DETAIL])), said("a")],
        [{"role": "assistant", "reasoning_content": "hm", "reasoning_details": [DETAIL], "content": "a"}],
    ),
    "reasoning by its id": (
        [{"type": "reasoning", "id": "rs_1", "summary": []}, said("a")],
        [{"role": "assistant", "content": "a"}],
    ),
    "a refusal": (
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
    ),
    "an output of parts": (
        [call(1), output(1, [{"type": "input_text", "text": "t"}])],
        [
            {"role": "assistant", "tool_calls": [chat_call(1)]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "t"}]},
        ],
    ),
    "roles": (
        [{"role": "developer", "content": "d"}, {"role": "system", "content": "s"}],
        [{"role": "developer", "content": "d"}, {"role": "system", "content": "s"}],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_response_items_become_messages(name: str) -> None:
    items, expected = CASES[name]

    assert chat_messages(items) == expected


REFUSED: dict[str, tuple[Items, str]] = {
    "a hosted tool's call": ([{"type": "web_search_call", "id": "w"}], "input[0]"),
    "a reference": ([USER, {"type": "item_reference", "id": "msg_1"}], "input[1]"),
    "no type": ([{"content": "x"}], "input[0]"),
    "a role": ([{"role": "robot", "content": "x"}], "input[0].role"),
    "no content": ([{"role": "user"}], "input[0].content"),
    "a part": ([{"role": "user", "content": [{"type": "computer_screenshot"}]}], "input[0].content[0]"),
    "an image's file": (
        [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
        "input[0].content[0].file_id",
    ),
    "an image's address": (
        [{"role": "user", "content": [{"type": "input_image", "image_url": "http://x.example"}]}],
        "input[0].content[0].image_url",
    ),
    "a file's id": (
        [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}],
        "input[0].content[0].file_id",
    ),
    "a file's address": (
        [{"role": "user", "content": [{"type": "input_file", "file_url": "https://x.example"}]}],
        "input[0].content[0].file_url",
    ),
    "an output without its call": ([output(1)], "input[0].call_id"),
    "a call without a name": ([{"type": "function_call", "call_id": "c", "arguments": ""}], "input[0].name"),
    "foreign reasoning": ([reasoning("hm", encrypted_content="gAAAA")], "input[0].encrypted_content"),
    "damaged reasoning": ([reasoning("hm", encrypted_content=sealed([DETAIL])[:-2])], "input[0].encrypted_content"),
    "an assistant's image": (
        [{"role": "assistant", "content": [{"type": "input_image", "image_url": "https://x.example"}]}],
        "input[0].content[0].type",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_response_item_is_refused_by_its_place(name: str) -> None:
    items, param = REFUSED[name]

    with pytest.raises(PenstockError) as raised:
        chat_messages(items)

    assert (raised.value.code, raised.value.detail.param) == ("invalid_request", param)


def test_response_output_may_belong_to_a_call_of_an_earlier_response() -> None:
    assert chat_messages([output(1)], [USER, call(1)]) == [
        USER,
        {"role": "assistant", "tool_calls": [chat_call(1)]},
        tool(1),
    ]


def test_response_input_is_listed_with_ids_and_parts() -> None:
    stored = StoredInput([USER, *items_of("now"), call(1)], begins_at=1)

    first, second = listed(stored, "1")

    assert first == {
        "id": "msg_1_in0",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "now"}],
    }
    assert second["id"] == "fc_1"
