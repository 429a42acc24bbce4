"""From OpenAI's requests to neutral words."""

from typing import Any

import msgspec
import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.requests import (
    INPUTS_MAX,
    UNSUPPORTED,
    ChatCompletionRequest,
    ChatOperation,
    EmbeddingsRequest,
    chat_operation,
    embeddings_operation,
)


def chat(**fields: Any) -> ChatOperation:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return chat_operation(msgspec.convert(body, ChatCompletionRequest), body)


def inputs(given: Any) -> list[Any]:
    return embeddings_operation(msgspec.convert({"model": "m", "input": given}, EmbeddingsRequest)).input


def test_the_newer_name_of_the_token_limit_wins() -> None:
    assert chat(max_tokens=5).max_tokens == 5
    assert chat(max_tokens=5, max_completion_tokens=7).max_tokens == 7


def test_a_field_that_we_do_not_know_goes_on_to_the_provider() -> None:
    assert chat(top_k=40, chat_template_kwargs={"thinking": False}).extra == {
        "top_k": 40,
        "chat_template_kwargs": {"thinking": False},
    }


def test_what_the_gateway_itself_answers_does_not_go_on() -> None:
    assert chat(stream=True, stream_options={"include_usage": True}, n=1, top_k=None).extra is None


@pytest.mark.parametrize("field", UNSUPPORTED)
def test_a_field_that_would_make_another_answer_is_refused_by_name(field: str) -> None:
    with pytest.raises(PenstockError) as refused:
        chat(**{field: [1]})

    assert (refused.value.code, refused.value.detail.param) == ("invalid_request", field)


@pytest.mark.parametrize("field", UNSUPPORTED)
def test_such_a_field_that_asks_for_nothing_is_fine(field: str) -> None:
    assert chat(**{field: None}).extra is None
    assert chat(**{field: False}).extra is None


@pytest.mark.parametrize(
    ("given", "neutral"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
    ids=["one text", "texts", "one text as tokens", "texts as tokens"],
)
def test_the_input_of_embeddings_has_four_forms(given: Any, neutral: list[Any]) -> None:
    assert inputs(given) == neutral


@pytest.mark.parametrize("given", [["a", 1], [1, "a"], ["a", [1]], [[1], "a"]])
def test_texts_and_tokens_are_not_mixed(given: Any) -> None:
    with pytest.raises(PenstockError) as refused:
        inputs(given)

    assert refused.value.detail.param == "input"


def test_the_number_of_texts_is_bounded_and_the_number_of_tokens_of_one_is_not_mistaken_for_it() -> None:
    assert len(inputs(list(range(INPUTS_MAX + 1)))) == 1
    with pytest.raises(PenstockError):
        inputs(["a"] * (INPUTS_MAX + 1))
