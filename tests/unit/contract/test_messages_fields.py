"""The treatment of each field of a Messages request, and what is named as ignored."""

from typing import Any

import msgspec
import pytest
from unit.support.operations import messages

from penstock_contract.anthropic.message_fields import MESSAGES_KNOWN, TO_CHAT
from penstock_contract.anthropic.nested_fields import ignored_inside
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_fields import check_names, ignored, treatment
from penstock_contract.route.provider import ProviderSpec

EPHEMERAL = {"type": "ephemeral"}
TOOL = {"name": "now", "input_schema": {"type": "object"}}


def provider(**fields: Any) -> ProviderSpec:
    return msgspec.convert(
        {"name": "p", "type": "OpenAI", "baseURL": "https://vllm.example/v1", **fields}, ProviderSpec
    )


SPEC = provider()


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


@pytest.mark.parametrize("name", TO_CHAT)
def test_messages_field_is_treated_as_the_table_has_it(name: str) -> None:
    expected = TO_CHAT[name]

    assert treatment(name, SPEC, known=MESSAGES_KNOWN) == expected
    names = ("model", name)
    if expected == "refused":
        with pytest.raises(PenstockError):
            check_names(names, [SPEC], known=MESSAGES_KNOWN)
        check_names(names, [SPEC, provider(type="Anthropic")], known=MESSAGES_KNOWN)
    else:
        check_names(names, [SPEC], known=MESSAGES_KNOWN)
        assert ignored(names, SPEC, known=MESSAGES_KNOWN) == ([name] if expected == "ignored" else [])


@pytest.mark.parametrize(("mode", "expected"), [("Pass", "refused"), ("Drop", "ignored"), ("Refuse", "refused")])
def test_messages_unknown_field_has_no_translation(mode: str, expected: str) -> None:
    assert treatment("novel", provider(extraFields={"mode": mode}), known=MESSAGES_KNOWN) == expected


def test_messages_ignored_names_are_what_the_translation_leaves_out() -> None:
    operation = messages(
        user(
            text("a", cache_control=EPHEMERAL, citations=None),
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": [text("b", citations=[1])],
                "cache_control": EPHEMERAL,
            },
        ),
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "x", "signature": "c2ln"},
                {"type": "thinking", "thinking": "y", "signature": "penstock"},
                {"type": "redacted_thinking", "data": "z"},
                {"type": "tool_use", "id": "t1", "name": "now", "input": {}, "caller": {"type": "direct"}, "novel": 1},
            ],
        },
        system=[text("s", cache_control=EPHEMERAL)],
        tools=[{**TOOL, "cache_control": EPHEMERAL, "eager_input_streaming": True, "defer_loading": False}],
        tool_choice={"type": "auto", "novel": 1},
        metadata={"user_id": "u", "trace": "t"},
    )

    assert ignored_inside(operation.body, SPEC) == [
        "system.cache_control",
        "messages.content.cache_control",
        "messages.content.content.citations",
        "messages.content.thinking",
        "messages.content.redacted_thinking",
        "messages.content.novel",
        "tools.cache_control",
        "tools.eager_input_streaming",
        "tools.defer_loading",
        "tool_choice.novel",
        "metadata.trace",
    ]


def test_messages_field_is_named_as_ignored_where_the_route_drops_what_it_becomes() -> None:
    operation = messages(thinking={"type": "enabled", "budget_tokens": 9})

    assert ignored_inside(operation.body, provider(drop=["reasoning_effort"])) == ["thinking"]
