"""The client's conversation in Anthropic's dialect: turns, contents and cache marks."""

import pytest
from unit.support.anthropic_requests import CALL, EPHEMERAL, WEATHER, body, refused, text, turns
from unit.support.operations import HELLO


def test_anthropic_request_moves_system_text_to_the_top_level() -> None:
    sent = body(
        {"role": "system", "content": "be brief"},
        HELLO,
        {"role": "developer", "content": [text("be kind")]},
    )

    assert sent["system"] == "be brief\n\nbe kind"
    assert sent["messages"] == [{"role": "user", "content": [text("hello")]}]


def test_anthropic_request_joins_consecutive_messages_of_one_role() -> None:
    assert turns(HELLO, {"role": "user", "content": "again"}, {"role": "assistant", "content": "hi"}) == [
        {"role": "user", "content": [text("hello"), text("again")]},
        {"role": "assistant", "content": [text("hi")]},
    ]


def test_anthropic_request_omits_a_message_without_content() -> None:
    assert turns(HELLO, {"role": "assistant", "content": ""}, {"role": "user", "content": "again"}) == [
        {"role": "user", "content": [text("hello"), text("again")]}
    ]


def test_anthropic_request_sends_an_inline_image_as_base64() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

    assert turns({"role": "user", "content": [text("what?"), part]})[0]["content"] == [
        text("what?"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
    ]


def test_anthropic_request_sends_a_remote_image_as_its_address() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}

    assert turns({"role": "user", "content": [part]})[0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    ]


def test_anthropic_request_rejects_any_other_image_as_invalid() -> None:
    error = refused({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,AA"}}]})

    assert (error.code, error.detail.param) == ("invalid_request", "messages[0].content[0].image_url.url")


def test_anthropic_request_sends_a_refusal_beside_the_content_as_text() -> None:
    assert turns(HELLO, {"role": "assistant", "content": None, "refusal": "no"})[1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "no"}],
    }


def test_anthropic_request_leaves_out_thoughts_of_other_providers() -> None:
    assert turns(HELLO, {"role": "assistant", "content": "Hi", "reasoning_content": "hm"})[1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
    }


def test_anthropic_request_sends_a_refusal_as_text() -> None:
    assert turns(HELLO, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]})[1] == {
        "role": "assistant",
        "content": [text("no")],
    }


def test_anthropic_request_omits_blank_texts() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert [
        block["type"] for block in turns({"role": "user", "content": [text(""), text(" \n"), picture]})[0]["content"]
    ] == ["image"]
    call = {"role": "assistant", "content": [text("")], "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_a", "content": ""}
    sent = turns(HELLO, call, result)
    assert [block["type"] for block in sent[1]["content"]] == ["tool_use"]
    assert sent[2]["content"] == [{"type": "tool_result", "tool_use_id": "call_a"}]


def test_anthropic_request_sends_a_lone_system_message_as_the_users_turn() -> None:
    sent = body({"role": "system", "content": "Say hi."})

    assert sent["messages"] == [{"role": "user", "content": [text("Say hi.")]}]
    assert "system" not in sent


def test_anthropic_request_rejects_a_conversation_without_text() -> None:
    error = refused({"role": "user", "content": ""})

    assert (error.code, error.detail.param) == ("invalid_request", "messages")


def test_anthropic_request_begins_an_assistants_conversation_with_a_users_turn() -> None:
    assert [turn["role"] for turn in turns({"role": "assistant", "content": "Hi"}, HELLO)] == [
        "user",
        "assistant",
        "user",
    ]


def test_anthropic_request_trims_white_space_after_the_assistants_last_turn() -> None:
    assert turns(HELLO, {"role": "assistant", "content": "The answer is \n"})[1]["content"] == [text("The answer is")]


def test_anthropic_request_passes_cache_marks_on() -> None:
    sent = body(
        {"role": "system", "content": [{**text("long"), "cache_control": EPHEMERAL}, text("short")]},
        {"role": "user", "content": [{**text("hi"), "cache_control": EPHEMERAL}]},
        tools=[{**WEATHER, "cache_control": EPHEMERAL}],
    )

    assert sent["system"] == [{**text("long"), "cache_control": EPHEMERAL}, text("short")]
    assert sent["messages"][0]["content"] == [{**text("hi"), "cache_control": EPHEMERAL}]
    assert sent["tools"][0]["cache_control"] == EPHEMERAL


def test_anthropic_request_returns_thinking_with_its_signature() -> None:
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "b3BhcXVl"},
        {"type": "reasoning.text", "text": "without"},
        {"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1"},
    ]

    assert turns(HELLO, {"role": "assistant", "content": "Hi", "reasoning_details": details})[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        text("Hi"),
    ]


@pytest.mark.parametrize("data", ["JVBERi0=", "data:application/pdf;base64,JVBERi0="])
def test_anthropic_request_sends_a_pdf_as_a_document(data: str) -> None:
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": data}}

    assert turns({"role": "user", "content": [part]})[0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "a.pdf",
        }
    ]
