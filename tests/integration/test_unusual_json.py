"""Unusual JSON in each field of each request and each provider answer: an error or an answer; other streams complete.

The input of a client never causes a 5xx, a traceback or a hang.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from harness.odd_json import variants
from harness.provider_answers import DONE, chunk, data, finish, usage
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIDE_BY_SIDE = 8
ANSWERED_S = 15.0
NEIGHBOUR = "the neighbour"
STACK = {"models": ("main", {"name": "vectors", "type": "Embedding"}), "routing": {"retries": 0}}
TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
CALLED = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES = [
    {"role": "system", "content": "s", "name": "n"},
    {"role": "user", "content": [{"type": "text", "text": "hi"}, PICTURE]},
    {"role": "assistant", "content": None, "tool_calls": [CALLED]},
    {"role": "tool", "tool_call_id": "c", "content": "r"},
]
REQUESTS: dict[str, Any] = {
    "/v1/chat/completions": {
        "model": "main",
        "messages": MESSAGES,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "max_completion_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.5,
        "stop": ["x"],
        "seed": 1,
        "n": 1,
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": True,
        "response_format": {"type": "json_schema", "json_schema": {"name": "j", "schema": {"type": "object"}}},
        "metadata": {"a": "b"},
        "logit_bias": {"1": 2},
        "user": "u",
    },
    "/v1/embeddings": {
        "model": "vectors",
        "input": ["a", "b"],
        "encoding_format": "float",
        "dimensions": 2,
        "user": "u",
    },
    "/api/chat": {
        "model": "main",
        "messages": [{"role": "user", "content": "hi"}, {"role": "user", "parts": [{"type": "text", "text": "t"}]}],
    },
    "/api/generate": {"model": "main", "prompt": "hi"},
    "/api/embed": {"model": "vectors", "text": "hi"},
}
CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "delta": {
                "role": "assistant",
                "content": "x",
                "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}],
            },
            "finish_reason": None,
            "logprobs": None,
        }
    ],
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "total_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
}
VECTORS = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}


async def _answer(call: Call, odd: str | None = None) -> None:
    """Vectors or a stream, with the `odd` text in the middle."""
    if call.path.endswith("/embeddings"):
        requested = call.body["input"]
        vectors = [
            {"index": index, "embedding": [0.1]}
            for index in range(len(requested) if isinstance(requested, list) else 1)
        ]
        whole = (odd or json.dumps({"data": vectors, "usage": {"prompt_tokens": 1}})).encode()
        await call.head(headers={"content-type": "application/json"}, length=len(whole))
        await call.write(whole)
        call.finished = True
        return
    await call.head()
    await call.write(chunk("x ") + (b"" if odd is None else b"data: %b\n\n" % odd.encode()))
    await call.write(finish() + usage(1, 1) + DONE)
    await call.end()


class _Scene:
    """`stop` ends the neighbour's answer; `odd` is what the provider answers to a prompt that is a number."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.pieces = 0
        self.odd: list[str] = []

    async def answer(self, call: Call) -> None:
        text = call.raw_body.decode(errors="replace")
        if NEIGHBOUR in text:
            await self._neighbour(call)
        elif self.odd:
            body = call.body
            number = body["input"] if "input" in body else body["messages"][0]["content"]
            await _answer(call, self.odd[int(number if isinstance(number, str) else number[0])])
        else:
            await _answer(call)

    async def _neighbour(self, call: Call) -> None:
        await call.head()
        while not self.stop.is_set():
            await call.write(data({"choices": [{"index": 0, "delta": {"content": f"n{self.pieces} "}}]}))
            self.pieces += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), 0.02)
        await call.write(finish() + usage(1, self.pieces) + DONE)
        await call.end()


@contextlib.asynccontextmanager
async def _neighbour(stack: Stack, scene: _Scene) -> AsyncIterator[None]:
    """A stream beside the block, which has to be whole, and logs without a traceback."""
    stack.main.answers(scene.answer)
    requested = asyncio.create_task(stack.post("/v1/chat/completions", completion(NEIGHBOUR, stream=True)))
    await stack.main.called()
    try:
        yield
    finally:
        scene.stop.set()
    events = [line.removeprefix("data: ") for line in (await requested).text.splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    deltas = [json.loads(event)["choices"] for event in events]
    text = "".join(choices[0]["delta"].get("content") or "" for choices in deltas if choices)
    assert text == "".join(f"n{index} " for index in range(scene.pieces))
    for process in stack.processes:
        assert "Traceback" not in process.log()


async def _each(stack: Stack, path: str, bodies: list[tuple[str, str]]) -> list[tuple[str, httpx.Response]]:
    places = asyncio.Semaphore(SIDE_BY_SIDE)

    async def request(what: str, body: str) -> tuple[str, httpx.Response]:
        async with places, asyncio.timeout(ANSWERED_S):
            headers = {"content-type": "application/json"}
            return what, await stack.client.post(path, content=body.encode(), headers=headers)

    return await asyncio.gather(*(request(what, body) for what, body in bodies))


@pytest.mark.parametrize("path", REQUESTS)
async def test_gateway_answers_unusual_json_or_rejects_it_with_a_4xx(stack: Stack, path: str) -> None:
    bodies = list(variants(REQUESTS[path], seed=path, most=400 if "completions" in path else 120))
    async with _neighbour(stack, _Scene()):
        answers = await _each(stack, path, bodies)
    assert [
        (what, answer.status_code, answer.text[:200]) for what, answer in answers if answer.status_code >= 500
    ] == []
    broken = [(what, answer.text[-300:]) for what, answer in answers if '"error"' in answer.text and answer.is_success]
    assert broken == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
async def test_worker_ends_only_the_stream_with_unusual_json_of_a_provider(stack: Stack, path: str) -> None:
    scene = _Scene()
    chat = "completions" in path
    made = list(variants(CHUNK if chat else VECTORS, seed=f"answer {path}", most=300 if chat else 120))
    scene.odd = [odd for _, odd in made]
    bodies = [
        (what, json.dumps(completion(str(number), stream=True) if chat else {"model": "vectors", "input": str(number)}))
        for number, (what, _) in enumerate(made)
    ]
    async with _neighbour(stack, scene):
        answers = await _each(stack, path, bodies)
    for what, answer in answers:
        assert answer.status_code in {200, 502}, (what, answer.text[:300])
        if chat and answer.is_success:
            assert answer.text.count("data: [DONE]") + answer.text.count('"error"') >= 1, (what, answer.text[-300:])
            assert answer.text.count("data: [DONE]") <= 1, what
