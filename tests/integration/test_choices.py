"""Several choices, log probabilities and the older Completions API, with the unchanged `openai` SDK."""

from typing import Any

import openai
import pytest
from harness.expect import error_of
from harness.processes import until
from harness.provider_answers import DONE, data, stream, text_stream
from harness.route_spec import completion, provider
from harness.stack import Stack
from openai import AsyncOpenAI

from penstock_broker.stores.usage import read_rows
from penstock_contract.usage.record import UsageRow

pytestmark = pytest.mark.asyncio(loop_scope="module")

HI: Any = [{"role": "user", "content": "hi"}]


def choice(index: int, content: str | None = None, finish_reason: str | None = None) -> dict[str, Any]:
    logprobs = (
        {"content": [{"token": content, "logprob": -0.25, "bytes": None, "top_logprobs": []}]} if content else None
    )
    delta = {"content": content} if content else {}
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def chunk(*choices: dict[str, Any], **fields: Any) -> bytes:
    return data({"id": "x", "object": "chat.completion.chunk", "choices": list(choices), **fields})


TWO = stream(
    chunk(choice(0, "a")),
    chunk(choice(1, "x")),
    chunk(choice(1, "y")),
    chunk(choice(0, "b")),
    chunk(choice(0, None, "stop"), choice(1, None, "length")),
    chunk(usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
    DONE,
)
ONE = stream(chunk(choice(0, "a")), chunk(choice(0, "b")), chunk(choice(0, None, "stop")), DONE)


async def test_choices_are_answered_whole(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(TWO)

    answer = await sdk.chat.completions.create(model="main", messages=HI, n=2, logprobs=True, top_logprobs=0)

    assert [(one.index, one.message.content, one.finish_reason) for one in answer.choices] == [
        (0, "ab", "stop"),
        (1, "xy", "length"),
    ]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4
    assert [token.token for one in answer.choices for token in (one.logprobs and one.logprobs.content) or ()] == list(
        "abxy"
    )
    sent = stack.main.calls[0].body
    assert (sent["n"], sent["logprobs"], sent["top_logprobs"]) == (2, True, 0)


async def test_choices_are_streamed_with_their_indexes(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(TWO)
    texts, ends = {0: "", 1: ""}, {}

    async for part in await sdk.chat.completions.create(model="main", messages=HI, n=2, stream=True):
        for one in part.choices:
            texts[one.index] += one.delta.content or ""
            if one.finish_reason:
                ends[one.index] = one.finish_reason

    assert (texts, ends) == ({0: "ab", 1: "xy"}, {0: "stop", 1: "length"})


async def test_choices_have_one_usage_row(stack: Stack) -> None:
    stack.main.answers(TWO)
    response = await stack.post("/v1/chat/completions", completion(n=2))
    assert response.status_code == 200

    async def closed() -> list[UsageRow]:
        found = [row async for row in read_rows(stack.connection, since=0.0)]
        return [row for row in found if row.id == response.headers["x-request-id"] and row.ended is not None]

    [row] = await until(closed, "a closed usage row")

    assert (row.tokens.input, row.tokens.output) == (3, 4)


async def test_log_probabilities_are_in_the_chunk_of_their_token(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(ONE)

    parts = [
        (one.delta.content, [token.token for token in (one.logprobs and one.logprobs.content) or ()])
        async for part in await sdk.chat.completions.create(model="main", messages=HI, logprobs=True, stream=True)
        for one in part.choices
    ]

    assert parts == [("a", ["a"]), ("b", ["b"]), (None, [])]


@pytest.mark.parametrize(
    "fields", [{"n": 2}, {"logprobs": True}, {"top_logprobs": 3}], ids=lambda fields: next(iter(fields))
)
async def test_demands_are_refused_where_a_provider_lacks_them(stack: Stack, fields: dict[str, Any]) -> None:
    other = stack.provider.upstream("claude")
    providers = [provider("main", stack.main.base_url), provider("claude", other.base_url, type="Anthropic")]
    await stack.reconfigure(providers=providers)

    response = await stack.post("/v1/chat/completions", completion(**fields))

    error_of(response, 400, "unsupported_by_provider", param=next(iter(fields)))
    assert not stack.main.calls
    assert not other.calls


async def test_completions_answer_whole_and_as_a_stream(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(text_stream("Hel", "lo"))

    whole = await sdk.completions.create(model="main", prompt="Say hello", max_tokens=7)
    parts = [part async for part in await sdk.completions.create(model="main", prompt=["Say hello"], stream=True)]

    assert (whole.choices[0].text, whole.choices[0].finish_reason, whole.object) == ("Hello", "stop", "text_completion")
    assert "".join(part.choices[0].text for part in parts) == "Hello"
    first, second = (call.body for call in stack.main.calls)
    assert first["messages"] == second["messages"] == [{"role": "user", "content": "Say hello"}]
    assert first["max_tokens"] == 7
    assert "prompt" not in first


async def test_completions_have_log_probabilities_of_the_older_form(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(ONE)

    answer = await sdk.completions.create(model="main", prompt="hi", logprobs=2)

    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert (logprobs.tokens, logprobs.text_offset, logprobs.token_logprobs) == (["a", "b"], [0, 1], [-0.25, -0.25])
    assert (stack.main.calls[0].body["logprobs"], stack.main.calls[0].body["top_logprobs"]) == (True, 2)


@pytest.mark.parametrize(
    "fields", [{"suffix": "}"}, {"echo": True}, {"best_of": 4}], ids=lambda fields: next(iter(fields))
)
async def test_completions_refuse_what_a_chat_cannot_do(stack: Stack, sdk: AsyncOpenAI, fields: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        await sdk.completions.create(model="main", prompt="hi", **fields)

    assert error.value.param == next(iter(fields))
    assert not stack.main.calls
