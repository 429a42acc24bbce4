"""One trace per request through all processes."""

import re

import pytest
from harness.provider_answers import embeddings, status, text_then_cut, text_then_wait
from harness.route_spec import completion, provider
from harness.stack import Stack
from harness.telemetry import Receiver, Span

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = "REQUESTS_default_main"


def only(spans: list[Span], kind: str) -> Span:
    [found] = [span for span in spans if span.kind == kind]
    return found


async def test_trace_covers_gateway_queue_worker_and_provider(stack: Stack, receiver: Receiver) -> None:
    response = await stack.post("/v1/chat/completions", completion("hi", stream=True))
    spans = await receiver.spans_of(response.headers["x-request-id"], 4)
    server, send, process, chat = (only(spans, kind) for kind in ("SERVER", "PRODUCER", "CONSUMER", "CLIENT"))

    assert [span.name for span in (server, send, process, chat)] == [
        "POST /v1/chat/completions",
        f"send {QUEUE}",
        f"process {QUEUE}",
        "chat main",
    ]
    assert [span.service for span in (server, send, process, chat)] == ["penstock-gateway"] * 2 + [
        "penstock-worker"
    ] * 2
    assert [server.parent, send.parent, process.parent, chat.parent] == ["", server.id, send.id, process.id]
    assert len(spans) == 4
    assert not any(span.failed for span in spans)


async def test_trace_spans_have_the_names_of_the_conventions(stack: Stack, receiver: Receiver) -> None:
    response = await stack.post("/v1/chat/completions", completion("hi", stream=True))
    request_id = response.headers["x-request-id"]
    spans = await receiver.spans_of(request_id, 4)
    server, send, process, chat = (only(spans, kind) for kind in ("SERVER", "PRODUCER", "CONSUMER", "CLIENT"))

    assert server.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "penstock.request.id": request_id,
    }
    messaging = {
        "messaging.system": "nats",
        "messaging.destination.name": QUEUE,
        "messaging.message.id": request_id,
        "penstock.request.id": request_id,
    }
    assert send.attributes == {**messaging, "messaging.operation.type": "send"}
    wait_s = process.attributes.pop("penstock.queue.wait")
    assert 0 <= wait_s < 5
    assert process.attributes == {
        **messaging,
        "messaging.operation.type": "process",
        "penstock.route": "default.main",
        "penstock.attempt": 1,
    }
    first_s = chat.attributes.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < first_s < 5
    assert chat.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "main",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "server.address": "127.0.0.1",
        "penstock.request.id": request_id,
    }


async def test_trace_context_is_sent_to_the_provider(stack: Stack, receiver: Receiver) -> None:
    response = await stack.post("/api/chat", completion())
    chat = only(await receiver.spans_of(response.headers["x-request-id"], 4), "CLIENT")

    # Sampled; the second flag means that the trace id is random (W3C Trace Context, level 2).
    assert re.fullmatch(f"00-{chat.trace}-{chat.id}-0[13]", stack.main.calls[0].headers["traceparent"])


async def test_trace_continues_the_clients_trace(stack: Stack, receiver: Receiver) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    response = await stack.post("/api/chat", completion(), headers={"traceparent": f"00-{trace}-{parent}-01"})
    spans = await receiver.spans_of(response.headers["x-request-id"], 4)

    assert {span.trace for span in spans} == {trace}
    assert only(spans, "SERVER").parent == parent
    assert stack.main.calls[0].headers["traceparent"].startswith(f"00-{trace}-")


async def test_trace_stays_unsampled_when_the_client_does_not_sample(stack: Stack, receiver: Receiver) -> None:
    trace = "1bf7651916cd43dd8448eb211c80319d"
    response = await stack.post("/api/chat", completion(), headers={"traceparent": f"00-{trace}-b7ad6b7169203331-00"})
    later = await stack.post("/api/chat", completion())
    await receiver.spans_of(later.headers["x-request-id"], 4)

    assert response.status_code == 200
    assert re.fullmatch(f"00-{trace}-[0-9a-f]{{16}}-00", stack.main.calls[0].headers["traceparent"])
    assert not [span for span in receiver.spans if span.trace == trace]


async def test_trace_is_separate_for_each_client(stack: Stack, receiver: Receiver) -> None:
    ids = [(await stack.post("/api/chat", completion())).headers["x-request-id"] for _ in range(2)]
    traces = [{span.trace for span in await receiver.spans_of(request_id, 4)} for request_id in ids]

    assert [len(found) for found in traces] == [1, 1]
    assert traces[0] != traces[1]


async def test_trace_names_the_span_of_an_embeddings_call(stack: Stack, receiver: Receiver) -> None:
    stack.main.answers(embeddings([[1.0, 2.0]]))
    response = await stack.post("/v1/embeddings", {"model": "vectors", "input": "hi"})
    chat = only(await receiver.spans_of(response.headers["x-request-id"], 4), "CLIENT")

    assert chat.name == "embeddings vectors"
    assert chat.attributes["gen_ai.operation.name"] == "embeddings"


async def test_trace_has_a_span_per_attempt_with_its_error(stack: Stack, receiver: Receiver) -> None:
    await stack.reconfigure(
        providers=[
            provider("main", stack.main.base_url),
            provider("other", stack.provider.upstream("other").base_url, type="Anthropic", priority=1),
        ]
    )
    stack.main.answers(status(401))
    stack.provider.upstream("other").answers(status(500))
    response = await stack.post("/api/chat", completion())
    spans = await receiver.spans_of(response.headers["x-request-id"], 5)
    tries = [span for span in spans if span.kind == "CLIENT"]

    assert [(span.attributes["gen_ai.provider.name"], span.attributes["error.type"]) for span in tries] == [
        ("openai", "provider_auth_failed"),
        ("anthropic", "provider_unavailable"),
    ]
    assert all(span.failed for span in tries)
    assert only(spans, "CONSUMER").failed
    assert only(spans, "SERVER").failed
    assert only(spans, "SERVER").attributes["http.response.status_code"] == 502
    assert only(spans, "SERVER").attributes["error.type"] == "provider_unavailable"


async def test_trace_records_a_failure_after_the_200(stack: Stack, receiver: Receiver) -> None:
    stack.main.answers(text_then_cut("Hel"))
    response = await stack.post("/api/chat", completion())
    spans = await receiver.spans_of(response.headers["x-request-id"], 4)

    assert only(spans, "SERVER").attributes["http.response.status_code"] == 200
    for kind in ("SERVER", "CLIENT"):
        assert only(spans, kind).attributes["error.type"] == "provider_stream_broken"
        assert only(spans, kind).failed


async def test_trace_omits_the_model_of_a_request_without_a_route(stack: Stack, receiver: Receiver) -> None:
    response = await stack.post("/v1/nothing/here", completion())
    [server] = await receiver.spans_of(response.headers["x-request-id"], 1)

    assert server.name == "POST unmatched"
    assert server.attributes["http.response.status_code"] == 404
    assert not server.failed


async def test_trace_marks_spans_of_a_disconnected_client_as_cancelled(stack: Stack, receiver: Receiver) -> None:
    stack.main.answers(text_then_wait("Hel"))
    async with stack.stream("/api/chat", completion()) as reader:
        await reader.event()
        request_id = reader.response.headers["x-request-id"]
    spans = await receiver.spans_of(request_id, 4)

    assert only(spans, "CLIENT").attributes["error.type"] == "cancelled"
