"""One trace per request through all processes, metrics that answer an operator's questions, and no word of a client's.

The receiver is ours: it takes OTLP over HTTP on loopback and keeps every byte.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from harness.keyed import ADMIN_TOKEN, FIRST_KEY, KeyedStack
from harness.processes import free_port, until
from harness.provider import (
    DONE,
    Call,
    chunk,
    data,
    embeddings,
    refuse,
    say,
    say_then_cut,
    say_then_wait,
    status,
    stream,
)
from harness.stack import KEY, Stack, completion, provider
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = "REQUESTS_default_main"
MODELS = ("main", {"name": "vectors", "type": "Embedding"})
PROMPT = "xylophone-prompt-marker"
ANSWER = "quokka-answer-marker"
ARGUMENT = "marzipan-argument-marker"


class Span:
    """A received span with its attributes as a dict."""

    def __init__(self, service: str, span: ProtoSpan) -> None:
        self.service = service
        self.name = span.name
        self.kind = ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.attributes = values_of(span.attributes)
        self.failed = span.status.code == Status.STATUS_CODE_ERROR
        self.message = span.status.message


def value_of(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return [value_of(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, str(kind))


def values_of(pairs: Any) -> dict[str, Any]:
    attributes: list[KeyValue] = list(pairs)
    return {pair.key: value_of(pair.value) for pair in attributes}


class Receiver:
    """OTLP/HTTP on loopback: `bodies` are the bytes as they came, `spans` and `metrics` what they mean."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []
        self.metrics: dict[tuple[str, str], list[dict[str, Any]]] = {}
        """The attributes of every series by service and metric."""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def environ(self) -> dict[str, str]:
        """The standard variables that send everything here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
        }

    def trace_of(self, request_id: str) -> list[Span]:
        """All spans of the trace that has the request's."""
        traces = {span.trace for span in self.spans if span.attributes.get("penstock.request.id") == request_id}
        return [span for span in self.spans if span.trace in traces]

    async def spans_of(self, request_id: str, count: int) -> list[Span]:
        await until(lambda: len(self.trace_of(request_id)) >= count, f"{count} spans of {request_id} arrive")
        return self.trace_of(request_id)

    async def series_of(self, service: str, metric: str) -> list[dict[str, Any]]:
        await until(lambda: self.metrics.get((service, metric)), f"{metric} of {service} arrives")
        return self.metrics[service, metric]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = re.search(r"content-length: (\d+)", head)
                assert length is not None
                self._take(head.split(" ")[1], await reader.readexactly(int(length[1])))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        writer.close()

    def _take(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = values_of(resource.resource.attributes)["service.name"]
                self.spans += [Span(service, span) for scope in resource.scope_spans for span in scope.spans]
            return
        assert path == "/v1/metrics"
        for resource_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            service = values_of(resource_metrics.resource.attributes)["service.name"]
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    points = getattr(metric, str(metric.WhichOneof("data"))).data_points
                    self.metrics[service, metric.name] = [values_of(point.attributes) for point in points]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_stack(receiver: Receiver) -> AsyncIterator[Stack]:
    environ = receiver.environ
    async with Stack(models=MODELS, routing={"retries": 0}, gateway_env=environ, worker_env=environ) as stack:
        yield stack


def only(spans: list[Span], kind: str) -> Span:
    [found] = [span for span in spans if span.kind == kind]
    return found


# The trace


async def test_a_request_is_one_trace_through_gateway_queue_worker_and_provider(
    stack: Stack, receiver: Receiver
) -> None:
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


async def test_every_span_has_the_names_of_the_conventions(stack: Stack, receiver: Receiver) -> None:
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


async def test_the_provider_gets_the_trace_of_its_call(stack: Stack, receiver: Receiver) -> None:
    response = await stack.post("/api/chat", completion())
    chat = only(await receiver.spans_of(response.headers["x-request-id"], 4), "CLIENT")

    # Sampled; the second flag says that the trace id is random (W3C Trace Context, level 2).
    assert re.fullmatch(f"00-{chat.trace}-{chat.id}-0[13]", stack.main.calls[0].headers["traceparent"])


async def test_a_trace_that_a_client_began_is_continued(stack: Stack, receiver: Receiver) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    response = await stack.post("/api/chat", completion(), headers={"traceparent": f"00-{trace}-{parent}-01"})
    spans = await receiver.spans_of(response.headers["x-request-id"], 4)

    assert {span.trace for span in spans} == {trace}
    assert only(spans, "SERVER").parent == parent
    assert stack.main.calls[0].headers["traceparent"].startswith(f"00-{trace}-")


async def test_a_trace_that_a_client_does_not_sample_is_passed_on_unsampled(stack: Stack, receiver: Receiver) -> None:
    trace = "1bf7651916cd43dd8448eb211c80319d"
    response = await stack.post("/api/chat", completion(), headers={"traceparent": f"00-{trace}-b7ad6b7169203331-00"})
    later = await stack.post("/api/chat", completion())
    await receiver.spans_of(later.headers["x-request-id"], 4)

    assert response.status_code == 200
    assert re.fullmatch(f"00-{trace}-[0-9a-f]{{16}}-00", stack.main.calls[0].headers["traceparent"])
    assert not [span for span in receiver.spans if span.trace == trace]


async def test_two_clients_have_two_traces(stack: Stack, receiver: Receiver) -> None:
    ids = [(await stack.post("/api/chat", completion())).headers["x-request-id"] for _ in range(2)]
    traces = [{span.trace for span in await receiver.spans_of(request_id, 4)} for request_id in ids]

    assert [len(found) for found in traces] == [1, 1]
    assert traces[0] != traces[1]


async def test_a_call_for_vectors_is_named_for_it(stack: Stack, receiver: Receiver) -> None:
    stack.main.answers(embeddings([[1.0, 2.0]]))
    response = await stack.post("/v1/embeddings", {"model": "vectors", "input": "hi"})
    chat = only(await receiver.spans_of(response.headers["x-request-id"], 4), "CLIENT")

    assert chat.name == "embeddings vectors"
    assert chat.attributes["gen_ai.operation.name"] == "embeddings"


async def test_every_try_is_a_span_and_a_failed_one_says_why(stack: Stack, receiver: Receiver) -> None:
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


async def test_a_failure_midway_is_told_by_the_spans_though_the_status_was_200(
    stack: Stack, receiver: Receiver
) -> None:
    stack.main.answers(say_then_cut("Hel"))
    response = await stack.post("/api/chat", completion())
    spans = await receiver.spans_of(response.headers["x-request-id"], 4)

    assert only(spans, "SERVER").attributes["http.response.status_code"] == 200
    for kind in ("SERVER", "CLIENT"):
        assert only(spans, kind).attributes["error.type"] == "provider_stream_broken"
        assert only(spans, kind).failed


async def test_a_request_that_reaches_no_route_is_a_span_without_what_was_asked(
    stack: Stack, receiver: Receiver
) -> None:
    response = await stack.post("/v1/nothing/here", completion())
    [server] = await receiver.spans_of(response.headers["x-request-id"], 1)

    assert server.name == "POST unmatched"
    assert server.attributes["http.response.status_code"] == 404
    assert not server.failed


async def test_a_client_that_leaves_has_cancelled_spans(stack: Stack, receiver: Receiver) -> None:
    stack.main.answers(say_then_wait("Hel"))
    async with stack.stream("/api/chat", completion()) as reader:
        await reader.event()
        request_id = reader.response.headers["x-request-id"]
    spans = await receiver.spans_of(request_id, 4)

    assert only(spans, "CLIENT").attributes["error.type"] == "cancelled"


# Metrics


async def scrape(stack: Stack) -> str:
    return (await stack.client.get("/metrics")).text


async def value(stack: Stack, series: str, **labels: str) -> float:
    """The value of one series, or the sum of those that have these labels; 0 if there is none."""
    found = 0.0
    for line in (await scrape(stack)).splitlines():
        name, _, rest = line.partition(" ")[0].partition("{")
        if name == series and all(f'{label}="{wanted}"' in rest for label, wanted in labels.items()):
            found += float(line.rsplit(" ", 1)[1])
    return found


HISTOGRAMS = {
    "time to first token": "gen_ai_server_time_to_first_token_seconds",
    "time per token": "gen_ai_server_time_per_output_token_seconds",
    "duration": "gen_ai_server_request_duration_seconds",
    "queue wait": "penstock_queue_wait_seconds",
}


@pytest.mark.parametrize("series", HISTOGRAMS.values(), ids=HISTOGRAMS)
async def test_a_request_is_counted_once_in_every_histogram(stack: Stack, series: str) -> None:
    labels = {"penstock_route": "default.main", "gen_ai_request_model": "main"}
    before = await value(stack, f"{series}_count", **labels)
    await stack.post("/api/chat", completion())

    assert await value(stack, f"{series}_count", **labels) == before + 1


async def test_tokens_are_counted_as_the_provider_counted_them(stack: Stack) -> None:
    before = [await value(stack, "penstock_tokens_total", gen_ai_token_type=kind) for kind in ("input", "output")]
    await stack.post("/api/chat", completion())
    after = [await value(stack, "penstock_tokens_total", gen_ai_token_type=kind) for kind in ("input", "output")]

    assert [after[0] - before[0], after[1] - before[1]] == [3, 2]


async def test_a_stream_is_in_flight_from_its_beginning_to_its_end(stack: Stack) -> None:
    stack.main.answers(say_then_wait("Hel"))
    assert await value(stack, "penstock_streams_in_flight") == 0
    async with stack.stream("/api/chat", completion()) as reader:
        await reader.event()
        assert await value(stack, "penstock_streams_in_flight") == 1

    async def none() -> bool:
        return await value(stack, "penstock_streams_in_flight") == 0

    await until(none, "the stream is not in flight any more")


async def nothing(_: Call) -> None:
    raise AssertionError("nobody should be asked")


ERRORS: dict[str, tuple[str, dict[str, Any], Any, str]] = {
    "a refused stream": ("/api/chat", {}, status(401), "provider_auth_failed"),
    "a refused whole answer": ("/v1/chat/completions", {}, status(401), "provider_auth_failed"),
    "a stream cut midway": ("/api/chat", {}, say_then_cut("Hel"), "provider_stream_broken"),
    "a whole answer cut midway": ("/v1/chat/completions", {}, say_then_cut("Hel"), "provider_stream_broken"),
    "an unknown model": ("/v1/chat/completions", {"model": "nobody"}, nothing, "model_not_found"),
    "a bad field": ("/v1/chat/completions", {"temperature": 9}, nothing, "invalid_request"),
    "an unknown path": ("/v1/nothing", {}, nothing, "not_found"),
}


@pytest.mark.parametrize(("path", "fields", "answer", "code"), ERRORS.values(), ids=ERRORS)
async def test_a_failed_request_is_counted_once_by_its_code(
    stack: Stack, path: str, fields: dict[str, Any], answer: Any, code: str
) -> None:
    stack.main.answers(answer)
    before = await value(stack, "penstock_errors_total", error_type=code), await value(stack, "penstock_errors_total")
    await stack.post(path, {**completion(), **fields})
    after = await value(stack, "penstock_errors_total", error_type=code), await value(stack, "penstock_errors_total")

    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


async def test_clients_cannot_make_new_series(stack: Stack, receiver: Receiver) -> None:
    await stack.reconfigure(models=["main", "*"])
    for number in range(3):
        response = await stack.post("/v1/chat/completions", {**completion(), "model": f"made-up-{number}"})
        assert response.status_code == 200
    duration = ("penstock-worker", "gen_ai.client.operation.duration")
    await until(
        lambda: any(series["gen_ai.request.model"] == "*" for series in receiver.metrics.get(duration, [])),
        "the worker's metrics arrive",
    )

    assert "made-up" not in await scrape(stack)
    assert "made-up" not in str(receiver.metrics)


async def test_the_metrics_of_both_processes_arrive_with_the_names_of_the_conventions(
    stack: Stack, receiver: Receiver
) -> None:
    await stack.post("/api/chat", completion())
    expected = {
        "penstock-gateway": [
            "gen_ai.server.request.duration",
            "gen_ai.server.time_to_first_token",
            "gen_ai.server.time_per_output_token",
            "penstock.queue.wait",
            "penstock.tokens",
            "penstock.streams.in_flight",
        ],
        "penstock-worker": ["gen_ai.client.operation.duration", "gen_ai.client.token.usage"],
    }
    for service, metrics in expected.items():
        for metric in metrics:
            assert await receiver.series_of(service, metric)
    call = (await receiver.series_of("penstock-worker", "gen_ai.client.operation.duration"))[0]
    assert {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"} <= set(call)


# What must never be told


def marked(**fields: Any) -> dict[str, Any]:
    """A request with a marker in every place that is a client's own."""
    tool = {
        "type": "function",
        "function": {"name": "f", "description": ARGUMENT, "parameters": {"properties": {ARGUMENT: {}}}},
    }
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": f'{{"x":"{ARGUMENT}"}}'}}
    return {
        "model": "main",
        "messages": [
            {"role": "system", "content": PROMPT},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": PROMPT},
                    {"type": "image_url", "image_url": {"url": f"https://example.com/{ARGUMENT}.png"}},
                ],
            },
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "content": ARGUMENT, "tool_call_id": "a"},
        ],
        "tools": [tool],
        "stop": [ARGUMENT],
        "user": ARGUMENT,
        "metadata": {"a": ARGUMENT},
        **fields,
    }


def echo(code: int, **fields: Any) -> Any:
    """A provider that quotes prompt and key in its refusal, as some do."""
    return status(code, body={"error": {"message": f"{PROMPT} {ANSWER} {KEY}", "code": ARGUMENT, **fields}})


TOOL_CALL = data(
    {
        "choices": [
            {"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ARGUMENT}}]}}
        ]
    }
)
PATHS: dict[str, Any] = {
    "whole": say(ANSWER, ANSWER),
    "tool call": stream(TOOL_CALL, chunk(ANSWER), data({"choices": [{"delta": {}, "finish_reason": "stop"}]}), DONE),
    "refused key": echo(401),
    "rejected": echo(400),
    "rate limited": echo(429),
    "broken": echo(500),
    "unreachable": refuse,
    "cut": say_then_cut(ANSWER),
    "malformed": stream(chunk(ANSWER), f"data: {{{PROMPT}\n\n".encode()),
    "not UTF-8": stream(chunk(ANSWER), b'data: {"x":"\xff' + PROMPT.encode() + b'"}\n\n'),
    "other shape": stream(data({"choices": {PROMPT: ANSWER}})),
    "not HTTP": None,
    "error inside a 200": stream(chunk(ANSWER), data({"error": {"message": f"{PROMPT} {KEY}", "code": PROMPT}})),
    "never finished": stream(chunk(ANSWER), DONE),
}


def not_http(call: Call) -> Any:
    async def answer() -> None:
        await call.raw(f"{PROMPT} {ANSWER} {KEY}\r\n\r\n".encode())
        call.close()

    return answer()


async def ask_everything(stack: Stack) -> None:
    """Every path through success and failure, by every door."""
    for name, answer in PATHS.items():
        stack.main.answers(answer or not_http)
        for path, fields in (
            ("/v1/chat/completions", {"stream": True}),
            ("/v1/chat/completions", {}),
            ("/api/chat", {"messages": [{"role": "user", "content": PROMPT}]}),
            ("/api/generate", {"prompt": PROMPT}),
        ):
            response = await stack.post(path, marked(**fields))
            assert response.status_code, name
    stack.main.answers(embeddings([[0.125]]))
    await stack.post("/v1/embeddings", {"model": "vectors", "input": PROMPT})
    stack.main.answers(echo(400))
    await stack.post("/v1/embeddings", {"model": "vectors", "input": [PROMPT]})
    await stack.post("/api/embed", {"text": PROMPT})
    for body in (
        marked(temperature=9, user=PROMPT),
        marked(messages=[{"role": PROMPT, "content": PROMPT}]),
        marked(tools=PROMPT),
    ):
        assert (await stack.post("/v1/chat/completions", body)).status_code == 400
    for raw in (f'{{"model": "{PROMPT}"'.encode(), b'{"model": "\xff' + PROMPT.encode() + b'"}'):
        headers = {"content-type": "application/json"}
        assert (await stack.client.post("/v1/chat/completions", content=raw, headers=headers)).status_code == 400
    stack.main.answers(say_then_wait(ANSWER))
    async with stack.stream("/api/chat", marked(messages=[{"role": "user", "content": PROMPT}])) as reader:
        await reader.event()


async def test_no_prompt_no_answer_and_no_key_is_in_any_log_span_or_metric(receiver: Receiver) -> None:
    environ = {**receiver.environ, "PENSTOCK_LOG_LEVEL": "DEBUG"}
    async with Stack(models=MODELS, routing={"retries": 1}, gateway_env=environ, worker_env=environ) as stack:
        await ask_everything(stack)
        metrics = await scrape(stack)
        spans = len(receiver.spans)
        stack.gateway.terminate()
        await stack.gateway.exited()
        stack.worker.terminate()
        await stack.worker.exited()
        logs = {process.name: process.log() for process in stack.processes}

    assert logs["gateway"].count("gateway.request_ended") > len(PATHS)
    assert logs[stack.worker.name].count("worker.call_ended") > len(PATHS)
    assert len(receiver.spans) >= spans > 4 * len(PATHS)
    told = {
        **logs,
        "metrics": metrics,
        "OTLP": b"\n".join(receiver.bodies).decode("latin-1"),
    }
    for place, text in told.items():
        for secret in (PROMPT, ANSWER, ARGUMENT, KEY):
            assert secret not in text, f"{secret} is in {place}: {around(text, secret)}"
        assert "Traceback" not in text, f"a traceback is in {place}: {around(text, 'Traceback')}"


async def test_no_key_of_a_caller_and_no_admin_token_is_in_any_log_span_or_metric(receiver: Receiver) -> None:
    environ = {**receiver.environ, "PENSTOCK_LOG_LEVEL": "DEBUG"}
    unknown, not_the_token = f"sk-penstock-{'9' * 44}", "not-the-token-of-the-admin-but-as-long"
    async with KeyedStack(gateway_env=environ, worker_env=environ) as stack:
        made = (await stack.create_key())["key"]
        limited = (await stack.create_key(limits={"requests_per_minute": 1}))["key"]
        for key in (FIRST_KEY, made, limited, limited, unknown):
            client = stack.with_key(key)
            for path in ("/v1/chat/completions", "/api/chat"):
                await client.post(path, json=completion())
            await client.get("/v1/models", headers={"x-api-key": key})
        for token in (ADMIN_TOKEN, not_the_token):
            admin = stack.caller(f"http://127.0.0.1:{stack.admin_port}", {"authorization": f"Bearer {token}"})
            for path in ("/admin/keys", "/admin/usage", "/admin/nothing"):
                await admin.get(path)
        metrics = await scrape(stack)
        for process in (stack.gateway, stack.worker):
            process.terminate()
            await process.exited()
        logs = {process.name: process.log() for process in stack.processes}

    assert logs["gateway"].count("gateway.request_ended") >= 5
    assert len(receiver.spans) > 4 * 5
    told = {**logs, "metrics": metrics, "OTLP": b"\n".join(receiver.bodies).decode("latin-1")}
    for place, text in told.items():
        for secret in (FIRST_KEY, made, limited, unknown, ADMIN_TOKEN, not_the_token):
            assert secret not in text, f"{secret} is in {place}: {around(text, secret)}"


def around(text: str, word: str) -> str:
    place = text.index(word)
    return text[max(0, place - 300) : place + 300]


# Switches


async def test_disabled_telemetry_tells_nothing_and_passes_the_clients_trace_on(receiver: Receiver) -> None:
    environ = {**receiver.environ, "OTEL_SDK_DISABLED": "true"}
    trace, parent = "2cf7651916cd43dd8448eb211c80319e", "b7ad6b7169203331"
    async with Stack(gateway_env=environ, worker_env=environ) as stack:
        response = await stack.post("/api/chat", completion(), headers={"traceparent": f"00-{trace}-{parent}-01"})
        metrics = await scrape(stack)
        [call] = stack.main.calls
        request_id = response.headers["x-request-id"]
        for process in (stack.gateway, stack.worker):
            process.terminate()
            await process.exited()

    assert response.status_code == 200
    assert "gen_ai" not in metrics
    assert call.headers["traceparent"] == f"00-{trace}-{parent}-01"
    assert not receiver.trace_of(request_id)


async def test_a_name_of_the_users_own_replaces_ours(receiver: Receiver) -> None:
    def named(name: str) -> dict[str, str]:
        return {**receiver.environ, "OTEL_SERVICE_NAME": name}

    async with Stack(gateway_env=named("front"), worker_env=named("back")) as stack:
        response = await stack.post("/api/chat", completion())
        spans = await receiver.spans_of(response.headers["x-request-id"], 4)

    assert {span.service for span in spans} == {"front", "back"}


async def test_a_receiver_that_is_away_disturbs_no_request_and_no_end() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    async with Stack(gateway_env=environ, worker_env=environ) as stack:
        for _ in range(5):
            assert (await stack.post("/api/chat", completion())).status_code == 200
        for process in (stack.gateway, stack.worker):
            process.terminate()
            assert await process.exited() == 0
