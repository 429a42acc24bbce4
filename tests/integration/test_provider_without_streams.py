"""A provider that rejects streams: the worker requests a complete answer and streams it."""

import json
from typing import Any

import pytest
import pytest_asyncio
from harness.provider_answers import DONE, chunk, finish, stream
from harness.provider_call import Answer, Call
from harness.route_spec import completion, provider
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHOLE: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello there",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}
# OpenAI's answer to an organisation that is not verified: https://community.openai.com/t/1255440.
UNVERIFIED = {
    "error": {
        "message": "Your organization must be verified to stream this model.",
        "type": "invalid_request_error",
        "param": "stream",
        "code": "unsupported_value",
    }
}
WITHOUT_PARAM = {"detail": "streaming is not supported by this deployment"}
EXTRA_FORBIDDEN = {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}]}


async def whole_json(call: Call, status: int, value: object) -> None:
    body = json.dumps(value).encode()
    await call.head(status, {"content-type": "application/json"}, length=len(body))
    await call.write(body)
    await call.end()


def without_streams(status: int, refusal: object, whole: object = WHOLE) -> Answer:
    async def answer(call: Call) -> None:
        if "stream" in call.body:
            await whole_json(call, status, refusal)
        else:
            await whole_json(call, 200, whole)

    return answer


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack, request: pytest.FixtureRequest) -> Stack:
    """Shared; each test has a model of its own, as what was found out about one is remembered."""
    await module_stack.reset()
    model = f"model-of-{abs(hash(request.node.name))}"
    await module_stack.reconfigure(
        providers=[provider("main", module_stack.main.base_url, model=model)], routing={"retries": 0}
    )
    return module_stack


@pytest.mark.parametrize(
    ("status", "refusal"),
    [(400, UNVERIFIED), (404, WITHOUT_PARAM), (422, {"detail": [{"loc": ["body", "stream"], "msg": "Extra inputs"}]})],
    ids=["OpenAI, unverified", "404 by its words", "FastAPI"],
)
@pytest.mark.parametrize("streaming", [True, False], ids=["stream", "whole"])
async def test_worker_streams_a_complete_answer_of_a_provider_without_streams(
    stack: Stack, status: int, refusal: object, streaming: bool
) -> None:
    stack.main.answers(without_streams(status, refusal))

    response = await stack.post("/v1/chat/completions", completion(stream=streaming))

    assert response.status_code == 200
    if streaming:
        chunks = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
        choices = [one["choices"][0] for one in chunks if one["choices"]]
        assert "".join(one["delta"].get("content") or "" for one in choices) == "Hello there"
        (call,) = [call for one in choices for call in one["delta"].get("tool_calls", ())]
        assert (call["id"], call["function"]) == ("c1", {"name": "f", "arguments": '{"a":1}'})
        assert choices[-1]["finish_reason"] == "tool_calls"
        assert response.text.endswith("data: [DONE]\n\n")
    else:
        (choice,) = response.json()["choices"]
        assert choice["message"]["content"] == "Hello there"
        assert choice["message"]["tool_calls"] == WHOLE["choices"][0]["message"]["tool_calls"]
        assert response.json()["usage"]["total_tokens"] == 12
    first, second = stack.main.calls
    assert first.body["stream"] is True
    assert "stream" not in second.body
    assert "stream_options" not in second.body


async def test_worker_remembers_a_refused_stream_per_model(stack: Stack) -> None:
    stack.main.answers(without_streams(400, UNVERIFIED))
    for _ in range(3):
        assert (await stack.post("/api/chat", completion())).status_code == 200

    assert ["stream" in call.body for call in stack.main.calls] == [True, False, False, False]


async def test_worker_retries_a_stream_without_options_as_a_stream(stack: Stack) -> None:
    async def answer(call: Call) -> None:
        if "stream_options" in call.body:
            await whole_json(call, 422, EXTRA_FORBIDDEN)
        else:
            await stream(chunk("Hel"), chunk("lo"), finish(), DONE)(call)

    stack.main.answers(answer)
    for _ in range(2):
        response = await stack.post("/api/chat", completion())
        assert texts_of(response.text) == "Hello"

    assert [("stream_options" in call.body, call.body["stream"]) for call in stack.main.calls] == [
        (True, True),
        (False, True),
        (False, True),
    ]


async def test_worker_remembers_nothing_when_the_complete_request_fails_too(stack: Stack) -> None:
    async def answer(call: Call) -> None:
        await whole_json(call, 400, UNVERIFIED)

    stack.main.answers(answer)
    for _ in range(2):
        response = await stack.post("/v1/chat/completions", completion())
        assert (response.status_code, response.json()["error"]["param"]) == (400, "stream")

    assert ["stream" in call.body for call in stack.main.calls] == [True, False, True, False]


ANTHROPIC_WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello there"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 7},
}
ANTHROPIC_REFUSAL = {"type": "error", "error": {"type": "invalid_request_error", "message": "stream: not supported"}}


@pytest.mark.parametrize(
    ("type_", "refusal", "whole"),
    [
        ("Anthropic", ANTHROPIC_REFUSAL, ANTHROPIC_WHOLE),
        ("AzureOpenAI", UNVERIFIED, WHOLE),
        ("CloudflareWorkersAI", WITHOUT_PARAM, {"result": {"response": "Hello there"}, "success": True}),
    ],
)
async def test_worker_requests_a_complete_answer_of_every_provider_type(
    stack: Stack, type_: str, refusal: object, whole: object
) -> None:
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, type=type_)], routing={"retries": 0})
    stack.main.answers(without_streams(400, refusal, whole))

    response = await stack.post("/v1/chat/completions", completion())

    assert response.status_code == 200, response.text
    assert response.json()["choices"][0]["message"]["content"] == "Hello there"
