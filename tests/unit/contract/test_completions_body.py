"""The body of OpenAI's older Completions API, and the chat completion that it becomes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from unit.support.structs import values

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import ChatBody
from penstock_contract.request.completions_body import read_completion
from penstock_contract.request.operations import CompletionRequest


def read(**fields: Any) -> ChatBody:
    return read_completion(json.dumps({"model": "m", "prompt": "Hi", **fields}).encode()).chat


def chat(**fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(read(**fields).operation.body)
    return made


def test_completions_body_makes_a_message_of_the_prompt() -> None:
    assert chat() == chat(prompt=["Hi"]) == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        (
            {"max_tokens": 7, "temperature": 0.5, "stop": ["a"], "seed": 4, "user": "u", "logit_bias": {"1": 2}},
            {"max_tokens": 7, "temperature": 0.5, "stop": ["a"], "seed": 4, "user": "u", "logit_bias": {"1": 2}},
        ),
        ({"n": 2, "best_of": 2}, {"n": 2}),
        ({"best_of": 1, "echo": False, "suffix": None}, {}),
        ({"suffix": "", "tools": [], "tool_choice": None}, {}),
        ({"logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"logprobs": 0}, {"logprobs": True}),
        ({"logprobs": None}, {}),
        (
            {"stream": True, "stream_options": {"include_usage": True}},
            {"stream": True, "stream_options": {"include_usage": True}},
        ),
        ({"min_p": 0.5}, {"min_p": 0.5}),
    ],
)
def test_completions_body_passes_what_a_chat_has(fields: dict[str, Any], passed: dict[str, Any]) -> None:
    assert chat(**fields) == {**chat(), **passed}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"prompt": [7]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"suffix": "}"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 3}, "best_of"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": -1}, "logprobs"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "messages"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": "2"}, "n"),
        ({"n": 200}, "n"),
    ],
)
def test_completions_body_refuses_and_names_the_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(PenstockError) as error:
        read(**fields)

    assert (error.value.code, error.value.detail.param) == ("invalid_request", param)


def test_completions_body_without_a_prompt_is_refused() -> None:
    with pytest.raises(PenstockError) as error:
        read_completion(b'{"model":"m"}')

    assert error.value.detail.param == "prompt"


@given(request=values(CompletionRequest))
def test_completions_body_takes_what_the_public_type_can_hold_or_names_a_field(request: CompletionRequest) -> None:
    assert param_of(msgspec.json.encode(request)) != ""


def param_of(body: bytes) -> str | None:
    """None where the body is accepted, an empty text where no field is named."""
    try:
        read_completion(body)
    except PenstockError as error:
        return error.detail.param or ""
    return None
