"""What we send to Anthropic: the same conversation in its words."""

from typing import Any

import msgspec
import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.messages import (
    FunctionDefinition,
    Message,
    NamedFunction,
    NamedToolChoice,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from penstock_contract.requests import ChatOperation, EmbeddingsOperation
from penstock_contract.route import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.providers.anthropic import AnthropicAdapter

SPEC = ProviderSpec(name="anthropic", type="Anthropic")
HELLO: dict[str, Any] = {"role": "user", "content": "hello"}
WEATHER = Tool(FunctionDefinition("weather", "tells it", {"type": "object", "properties": {}}))


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def request(*messages: dict[str, Any], key: str | None = None, **fields: Any) -> HttpRequest:
    operation = ChatOperation(messages=msgspec.convert(list(messages) or [HELLO], list[Message]), **fields)
    return AnthropicAdapter().request(operation, "claude", SPEC, key)


def body(*messages: dict[str, Any], **fields: Any) -> Any:
    return msgspec.json.decode(request(*messages, **fields).body)


def turns(*messages: dict[str, Any]) -> Any:
    return body(*messages)["messages"]


def refused(*messages: dict[str, Any], **fields: Any) -> PenstockError:
    with pytest.raises(PenstockError) as error:
        request(*messages, **fields)
    return error.value


def test_a_plain_request_has_the_bound_that_anthropic_requires() -> None:
    assert body() == {
        "model": "claude",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [text("hello")]}],
        "stream": True,
    }


def test_the_version_and_the_key_are_headers() -> None:
    sent = request(key="sk-ant")

    assert sent.path == "/messages"
    assert sent.headers == {"anthropic-version": "2023-06-01", "x-api-key": "sk-ant"}
    assert b"sk-ant" not in sent.body


def test_without_a_key_none_is_sent() -> None:
    assert "x-api-key" not in request().headers


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"stop": "a"}, {"stop_sequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"response_format": ResponseFormat("text")}, {}),
    ],
    ids=lambda value: next(iter(value), "nothing"),
)
def test_a_parameter_is_translated(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert body(**ours) == {**body(), **theirs}


@pytest.mark.parametrize(
    "field",
    [
        {"seed": 7},
        {"logit_bias": {"1": 1.0}},
        {"frequency_penalty": 1.0},
        {"presence_penalty": 1.0},
        {"verbosity": "low"},
        {"metadata": {"a": "b"}},
        {"prompt_cache_key": "k"},
        {"reasoning_effort": "low"},
    ],
    ids=lambda field: next(iter(field)),
)
def test_a_parameter_that_anthropic_does_not_have_is_dropped(field: dict[str, Any]) -> None:
    assert body(**field) == body()


def test_system_text_is_top_level_wherever_it_stood() -> None:
    sent = body(
        {"role": "system", "content": "be brief"},
        HELLO,
        {"role": "developer", "content": [text("be kind")]},
    )

    assert sent["system"] == "be brief\n\nbe kind"
    assert sent["messages"] == [{"role": "user", "content": [text("hello")]}]


def test_neighbours_of_one_role_are_one_turn() -> None:
    assert turns(HELLO, {"role": "user", "content": "again"}, {"role": "assistant", "content": "hi"}) == [
        {"role": "user", "content": [text("hello"), text("again")]},
        {"role": "assistant", "content": [text("hi")]},
    ]


def test_a_message_without_content_is_left_out() -> None:
    assert turns(HELLO, {"role": "assistant", "content": ""}, {"role": "user", "content": "again"}) == [
        {"role": "user", "content": [text("hello"), text("again")]}
    ]


def test_an_image_inside_the_request_is_base64() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

    assert turns({"role": "user", "content": [text("what?"), part]})[0]["content"] == [
        text("what?"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
    ]


def test_an_image_elsewhere_is_its_address() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}

    assert turns({"role": "user", "content": [part]})[0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    ]


def test_an_image_that_is_neither_is_an_invalid_request() -> None:
    error = refused({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,AA"}}]})

    assert (error.code, error.detail.param) == ("invalid_request", "messages")


def test_a_refusal_beside_the_content_is_text_too() -> None:
    assert turns(HELLO, {"role": "assistant", "content": None, "refusal": "no"})[1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "no"}],
    }


def test_what_an_assistant_thought_elsewhere_is_not_said() -> None:
    assert turns(HELLO, {"role": "assistant", "content": "Hi", "reasoning_content": "hm"})[1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
    }


def test_a_refusal_is_text() -> None:
    assert turns(HELLO, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]})[1] == {
        "role": "assistant",
        "content": [text("no")],
    }


CALL = {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}


def test_tool_calls_and_their_results_are_blocks() -> None:
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


def test_a_tool_call_without_arguments_has_an_empty_input() -> None:
    call = {**CALL, "function": {"name": "now", "arguments": ""}}

    assert turns(HELLO, {"role": "assistant", "tool_calls": [call]})[1]["content"][0]["input"] == {}


@pytest.mark.parametrize("arguments", ['{"city":', "[1]", '"Oslo"', "\\"])
def test_arguments_that_are_no_json_object_are_an_invalid_request(arguments: str) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}

    error = refused(HELLO, {"role": "assistant", "tool_calls": [call]})

    assert (error.code, error.detail.param) == ("invalid_request", "messages")
    assert "Oslo" not in error.detail.message


def test_tools_have_an_input_schema() -> None:
    assert body(tools=[WEATHER, Tool(FunctionDefinition("now"))])["tools"] == [
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
        (NamedToolChoice(NamedFunction("weather")), None, {"type": "tool", "name": "weather"}),
        (None, True, {"type": "auto"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
    ],
)
def test_a_tool_choice_is_in_anthropics_words(
    choice: ToolChoice | None, parallel: bool | None, theirs: dict[str, Any] | None
) -> None:
    sent = body(tools=[WEATHER], tool_choice=choice, parallel_tool_calls=parallel)

    assert sent.get("tool_choice") == theirs


def test_without_tools_there_is_nothing_to_choose() -> None:
    assert body(tool_choice="auto", parallel_tool_calls=False) == body()


@pytest.mark.parametrize("format_", ["json_object", "json_schema"])
def test_a_response_format_is_unsupported(format_: Any) -> None:
    error = refused(response_format=ResponseFormat(format_))

    assert (error.code, error.detail.param) == ("unsupported_by_provider", "response_format")


def test_embeddings_are_unsupported() -> None:
    with pytest.raises(PenstockError) as error:
        AnthropicAdapter().request(EmbeddingsOperation(input=["a"]), "claude", SPEC, None)

    assert error.value.code == "unsupported_by_provider"
