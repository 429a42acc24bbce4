"""What we send to OpenAI and everybody compatible."""

from typing import Any

import msgspec
import pytest

from penstock_contract.messages import (
    FunctionCall,
    FunctionDefinition,
    ImagePart,
    ImageUrl,
    JsonSchema,
    Message,
    NamedFunction,
    NamedToolChoice,
    ResponseFormat,
    TextPart,
    Tool,
    ToolCall,
)
from penstock_contract.requests import ChatOperation, EmbeddingsOperation, Operation
from penstock_contract.route import ProviderSpec
from penstock_worker.providers.embeddings_parser import EmbeddingsParser
from penstock_worker.providers.openai import OpenAIAdapter
from penstock_worker.providers.openai_parser import ChatParser

HELLO = Message(role="user", content="hello")
COMPATIBLE = ProviderSpec(name="vllm", type="OpenAI", base_url="http://vllm:8000/v1")
OPENAI = ProviderSpec(name="openai", type="OpenAI")


def body(operation: Operation, spec: ProviderSpec = COMPATIBLE) -> Any:
    return msgspec.json.decode(OpenAIAdapter().request(operation, "model", spec, None).body)


def chat(*messages: Message, **fields: Any) -> ChatOperation:
    return ChatOperation(messages=list(messages) or [HELLO], **fields)


def test_a_plain_request_says_nothing_more_than_it_must() -> None:
    assert body(chat()) == {
        "model": "model",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_chat_goes_to_chat_completions_and_texts_to_embeddings() -> None:
    adapter = OpenAIAdapter()

    assert adapter.request(chat(), "m", COMPATIBLE, None).path == "/chat/completions"
    assert adapter.request(EmbeddingsOperation(input=["a"]), "m", COMPATIBLE, None).path == "/embeddings"


def test_the_key_is_a_bearer_token() -> None:
    request = OpenAIAdapter().request(chat(), "m", COMPATIBLE, "sk-1")

    assert request.headers == {"authorization": "Bearer sk-1"}
    assert b"sk-1" not in request.body


def test_without_a_key_there_is_no_authorization() -> None:
    assert OpenAIAdapter().request(chat(), "m", COMPATIBLE, None).headers == {}


def test_every_parameter_is_passed_on_as_it_came() -> None:
    parameters: dict[str, Any] = {
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["a", "b"],
        "seed": 7,
        "frequency_penalty": -1.0,
        "presence_penalty": 1.0,
        "logit_bias": {"50256": -100.0},
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "verbosity": "low",
        "service_tier": "flex",
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "user": "u",
    }

    assert body(chat(**parameters)).items() >= parameters.items()


def test_tools_and_a_forced_choice_are_in_openais_words() -> None:
    sent = body(
        chat(
            tools=[Tool(FunctionDefinition("weather", "tells it", {"type": "object"}, strict=True))],
            tool_choice=NamedToolChoice(NamedFunction("weather")),
        )
    )

    assert sent["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "tells it",
                "parameters": {"type": "object"},
                "strict": True,
            },
        }
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize("choice", ["none", "auto", "required"])
def test_a_tool_choice_by_word_stays_a_word(choice: str) -> None:
    assert body(chat(tool_choice=choice))["tool_choice"] == choice


def test_a_conversation_with_images_and_tool_calls_is_sent_as_it_came() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "a"},
    ]

    assert body(chat(*msgspec.convert(messages, list[Message])))["messages"] == messages


def test_messages_made_here_are_written_with_their_types() -> None:
    sent = body(
        chat(
            Message(role="user", content=[TextPart("a"), ImagePart(ImageUrl("https://example.com/a.png"))]),
            Message(role="assistant", tool_calls=[ToolCall("a", FunctionCall("f", "{}"))]),
        )
    )["messages"]

    assert [part["type"] for part in sent[0]["content"]] == ["text", "image_url"]
    assert sent[1]["tool_calls"][0]["type"] == "function"


def test_a_response_format_keeps_its_schema() -> None:
    schema = JsonSchema("answer", {"type": "object"}, strict=True)

    assert body(chat(response_format=ResponseFormat("json_schema", schema)))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }


def test_a_response_format_without_a_schema_has_none() -> None:
    assert body(chat(response_format=ResponseFormat("json_object")))["response_format"] == {"type": "json_object"}


def test_compatible_servers_get_the_bound_under_its_old_name() -> None:
    sent = body(chat(max_tokens=9))

    assert sent["max_tokens"] == 9
    assert "max_completion_tokens" not in sent


@pytest.mark.parametrize("base_url", [None, "https://api.openai.com/v1"])
def test_openai_gets_the_bound_under_the_only_name_that_its_reasoning_models_take(base_url: str | None) -> None:
    sent = body(chat(max_tokens=9), ProviderSpec(name="openai", type="OpenAI", base_url=base_url))

    assert sent["max_completion_tokens"] == 9
    assert "max_tokens" not in sent


def test_a_request_without_a_bound_has_none_under_either_name() -> None:
    assert not {"max_tokens", "max_completion_tokens"} & set(body(chat(), OPENAI))


def test_an_embeddings_request_is_input_model_and_dimensions() -> None:
    assert body(EmbeddingsOperation(input=["a", "b"], dimensions=3)) == {
        "model": "model",
        "input": ["a", "b"],
        "dimensions": 3,
    }


def test_an_answer_is_parsed_by_what_was_asked() -> None:
    adapter = OpenAIAdapter()

    assert isinstance(adapter.parser(chat()), ChatParser)
    assert isinstance(adapter.parser(EmbeddingsOperation(input=["a"])), EmbeddingsParser)


SAID_BEFORE = Message(role="assistant", content="Hi", refusal="no", reasoning_content="hm")


def test_what_an_assistant_thought_and_refused_before_is_passed_on() -> None:
    assert body(chat(HELLO, SAID_BEFORE))["messages"][1] == {
        "role": "assistant",
        "content": "Hi",
        "refusal": "no",
        "reasoning_content": "hm",
    }


def test_openai_which_never_says_what_it_thinks_is_not_told_what_others_thought() -> None:
    assert body(chat(HELLO, SAID_BEFORE), OPENAI)["messages"][1] == {
        "role": "assistant",
        "content": "Hi",
        "refusal": "no",
    }
