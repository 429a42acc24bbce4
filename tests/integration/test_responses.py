"""OpenAI's Responses API over gateway, broker and worker: whole answers, streams, refusals."""

import asyncio
from typing import Any

import pytest
from harness.provider_answers import data, delta, finish, stream, text_stream, text_then_wait, usage
from harness.response_events import events_of
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"gateway_env": {"PENSTOCK_ANSWER_BYTES_MAX": "65536"}}
PATH = "/v1/responses"
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": True}


async def test_response_is_answered_whole(stack: Stack) -> None:
    stack.main.answers(text_stream("Hel", "lo"))

    answer = (await stack.post(PATH, {"model": "main", "input": "hi", "instructions": "Be brief."})).json()

    assert answer["status"] == "completed"
    assert answer["store"] is False
    [message] = answer["output"]
    assert message["content"] == [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}]
    assert stack.main.calls[-1].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


async def test_response_stream_has_the_events_in_order(stack: Stack) -> None:
    stack.main.answers(stream(delta(content="Hel"), delta(content="lo"), finish(), usage(3, 2), data("[DONE]")))

    response = await stack.post(PATH, {"model": "main", "input": "hi", "stream": True})

    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["usage"]["total_tokens"] == 5
    assert events[-1]["response"]["id"] == f"resp_{response.headers['x-request-id'].removeprefix('req_')}"


async def test_response_with_a_function_call_continues_with_its_output(stack: Stack) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    stack.main.answers(stream(delta(tool_calls=[call]), finish("tool_calls"), data("[DONE]")), text_stream("Sunny"))

    first = (await stack.post(PATH, {"model": "main", "input": "weather?", "tools": [TOOL]})).json()
    items = [
        {"role": "user", "content": "weather?"},
        *first["output"],
        {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
    ]
    second = (await stack.post(PATH, {"model": "main", "input": items, "tools": [TOOL]})).json()

    assert [item["type"] for item in first["output"]] == ["function_call"]
    assert second["output"][0]["content"][0]["text"] == "Sunny"
    assert [message["role"] for message in stack.main.calls[-1].body["messages"]] == ["user", "assistant", "tool"]


async def test_response_that_fails_midway_ends_with_error_and_failed(stack: Stack) -> None:
    stack.main.answers(stream(delta(content="Hel"), data({"error": {"message": "boom", "type": "server_error"}})))

    response = await stack.post(PATH, {"model": "main", "input": "hi", "stream": True})

    events = events_of(response.text)
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert events[-2]["error"]["message"] == events[-2]["message"]
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"


async def test_response_stream_larger_than_an_answer_fails_with_the_reason(stack: Stack) -> None:
    stack.main.answers(text_stream("a" * 40_000, "b" * 40_000))

    response = await stack.post(PATH, {"model": "main", "input": "hi", "stream": True})

    error = next(event for event in events_of(response.text) if event["type"] == "error")
    assert error["code"] == "answer_too_large"
    assert "65536 bytes" in error["message"]


@pytest.mark.parametrize(
    ("fields", "param", "text"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0]", "'web_search'"),
        ({"truncation": "auto"}, "truncation", "never cut"),
        ({"conversation": "conv_1"}, "conversation", "previous_response_id"),
        ({"background": True}, "background", "spec.streams.keepSeconds"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "spec.streams.keepSeconds"),
        ({"temperature": 3}, "temperature", ""),
        ({"input": [{"type": "web_search_call", "id": "ws"}]}, "input[0]", "'web_search_call'"),
    ],
)
async def test_response_field_that_cannot_be_honoured_is_refused_by_name(
    stack: Stack, fields: dict[str, Any], param: str, text: str
) -> None:
    response = await stack.post(PATH, {"model": "main", "input": "hi", **fields})

    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert text in error["message"]


async def test_response_input_is_counted(stack: Stack) -> None:
    response = await stack.post(f"{PATH}/input_tokens", {"model": "main", "input": "a" * 400})

    assert response.json()["object"] == "response.input_tokens"
    assert 100 <= response.json()["input_tokens"] < 150


async def test_response_that_is_not_stored_is_not_found(stack: Stack) -> None:
    stack.main.answers(text_stream("Hello"))
    made = (await stack.post(PATH, {"model": "main", "input": "hi"})).json()

    found = await stack.client.get(f"{PATH}/{made['id']}")

    assert (found.status_code, found.json()["error"]["code"]) == (404, "response_not_found")


async def test_response_stream_ends_at_a_disconnect(stack: Stack) -> None:
    stack.main.answers(text_then_wait("Hello"))
    async with stack.stream(PATH, {"model": "main", "input": "hi", "stream": True}) as reader:
        while "Hello" not in await reader.event():
            pass

    async with asyncio.timeout(10):
        await stack.main.calls[-1].gone.wait()
