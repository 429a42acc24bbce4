"""`useChat`'s bodies on `/api/chat`, over gateway, broker and worker; the simple dialect on the same path."""

import json
from typing import Any

import pytest
from harness.expect import error_of
from harness.provider_answers import DONE, delta, finish, status, stream, text_stream, usage
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

HI: dict[str, Any] = {"id": "a", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
PNG = "data:image/png;base64,iVBORw0KGgo="


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "chat-1", "messages": list(messages or [HI]), "trigger": "submit-message", **fields}


def chunks(text: str) -> list[dict[str, Any]]:
    *events, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


async def test_ui_chat_streams_an_answer_with_model_and_usage(stack: Stack) -> None:
    stack.main.answers(text_stream("Hel", "lo"))

    response = await stack.post("/api/chat", body(model="main", temperature=0.5))

    assert response.status_code == 200
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert response.headers["content-type"].startswith("text/event-stream")
    start, *_, finish_ = found = chunks(response.text)
    request_id = response.headers["x-request-id"]
    assert start["messageMetadata"] == {"model": "main", "requestId": request_id}
    assert start["messageId"] == f"msg_{request_id.removeprefix('req_')}"
    assert "".join(chunk.get("delta", "") for chunk in found) == "Hello"
    assert finish_["messageMetadata"]["usage"]["totalTokens"] == 5
    sent = stack.main.calls[0].body
    assert (sent["messages"], sent["temperature"]) == ([{"role": "user", "content": "hi"}], 0.5)
    assert "trigger" not in sent
    assert "id" not in sent


async def test_ui_chat_continues_an_answer_after_a_tools_output(stack: Stack) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"a":1}'}}
    stack.main.answers(stream(delta(tool_calls=[call]), finish("tool_calls"), usage(), DONE), text_stream("Sunny."))
    tools = {"weather": {"description": "d", "inputSchema": {"type": "object"}}}

    first = chunks((await stack.post("/api/chat", body(model="main", tools=tools))).text)
    part = {
        "type": "tool-weather",
        "toolCallId": "call_1",
        "state": "output-available",
        "input": {"a": 1},
        "output": "sun",
    }
    answer = {"id": first[0]["messageId"], "role": "assistant", "parts": [{"type": "step-start"}, part]}
    second = chunks((await stack.post("/api/chat", body(HI, answer, model="main", tools=tools))).text)

    assert {"type": "tool-input-available", "toolCallId": "call_1", "toolName": "weather", "input": {"a": 1}} in first
    assert first[-1]["finishReason"] == "tool-calls"
    assert second[0]["messageId"] == first[0]["messageId"]
    assert [message["role"] for message in stack.main.calls[1].body["messages"]] == ["user", "assistant", "tool"]
    assert stack.main.calls[0].body["tools"][0]["function"]["name"] == "weather"


async def test_ui_chat_names_what_the_provider_was_not_sent(stack: Stack) -> None:
    answer = {"id": "m", "role": "assistant", "parts": [{"type": "file", "mediaType": "image/png", "url": PNG}]}

    response = await stack.post("/api/chat", body(HI, answer, HI, model="main"))

    assert response.headers["x-penstock-ignored"] == "messages.parts.file"


async def test_ui_chat_uses_the_default_model(stack: Stack) -> None:
    response = await stack.post("/api/chat", body())

    assert chunks(response.text)[0]["messageMetadata"]["model"] == "main"


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        (
            body({"role": "user", "parts": [{"type": "file", "mediaType": "video/mp4", "url": "data:video/mp4,"}]}),
            "messages[0].parts[0].mediaType",
        ),
        (body(n=2), "n"),
        (body(logprobs=True), "logprobs"),
        (body(stream=False), "stream"),
        (body(api_base="https://elsewhere"), "api_base"),
    ],
)
async def test_ui_chat_refuses_and_names_the_field(stack: Stack, sent: dict[str, Any], param: str) -> None:
    response = await stack.post("/api/chat", sent)

    error_of(response, 400, "invalid_request", param=param)
    assert "x-vercel-ai-ui-message-stream" not in response.headers
    assert not stack.main.calls


async def test_ui_chat_has_an_error_before_the_first_event_as_a_status(stack: Stack) -> None:
    stack.main.answers(status(400))

    response = await stack.post("/api/chat", body(model="main"))

    assert response.status_code == 400
    assert "x-vercel-ai-ui-message-stream" not in response.headers


async def test_ui_chat_ends_a_broken_answer_with_an_error_chunk(stack: Stack) -> None:
    stack.main.answers(stream(delta(content="Hel")))

    found = chunks((await stack.post("/api/chat", body(model="main"))).text)

    assert [chunk["type"] for chunk in found] == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "error",
    ]
    assert found[-1]["errorText"]


async def test_api_chat_answers_the_simple_dialect_as_before(stack: Stack) -> None:
    stack.main.answers(text_stream("Hi"))

    response = await stack.post("/api/chat", {"messages": [{"role": "user", "content": "hi"}], "model": "main"})

    assert response.text == 'data: {"text":"Hi"}\n\ndata: [DONE]\n\n'
    assert "x-vercel-ai-ui-message-stream" not in response.headers
