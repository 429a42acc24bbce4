"""Metrics that answer an operator's questions, and that no client can make more of."""

from typing import Any

import pytest
from harness.processes import until
from harness.provider_answers import status, text_then_cut, text_then_wait
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stack import Stack
from harness.telemetry import Receiver, scrape

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
async def test_metrics_count_a_request_once_in_every_histogram(stack: Stack, series: str) -> None:
    labels = {"penstock_route": "default.main", "gen_ai_request_model": "main"}
    before = await value(stack, f"{series}_count", **labels)
    await stack.post("/api/chat", completion())

    assert await value(stack, f"{series}_count", **labels) == before + 1


async def test_metrics_count_tokens_as_the_provider_reports_them(stack: Stack) -> None:
    before = [await value(stack, "penstock_tokens_total", gen_ai_token_type=kind) for kind in ("input", "output")]
    await stack.post("/api/chat", completion())
    after = [await value(stack, "penstock_tokens_total", gen_ai_token_type=kind) for kind in ("input", "output")]

    assert [after[0] - before[0], after[1] - before[1]] == [3, 2]


async def test_metrics_count_a_stream_in_flight_from_start_to_end(stack: Stack) -> None:
    stack.main.answers(text_then_wait("Hel"))
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
    "a stream cut midway": ("/api/chat", {}, text_then_cut("Hel"), "provider_stream_broken"),
    "a whole answer cut midway": ("/v1/chat/completions", {}, text_then_cut("Hel"), "provider_stream_broken"),
    "an unknown model": ("/v1/chat/completions", {"model": "nobody"}, nothing, "model_not_found"),
    "a bad field": ("/v1/chat/completions", {"temperature": 9}, nothing, "invalid_request"),
    "an unknown path": ("/v1/nothing", {}, nothing, "not_found"),
}


@pytest.mark.parametrize(("path", "fields", "answer", "code"), ERRORS.values(), ids=ERRORS)
async def test_metrics_count_a_failed_request_once_by_its_code(
    stack: Stack, path: str, fields: dict[str, Any], answer: Any, code: str
) -> None:
    stack.main.answers(answer)
    before = await value(stack, "penstock_errors_total", error_type=code), await value(stack, "penstock_errors_total")
    await stack.post(path, {**completion(), **fields})
    after = await value(stack, "penstock_errors_total", error_type=code), await value(stack, "penstock_errors_total")

    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


async def test_metrics_have_no_series_chosen_by_clients(stack: Stack, receiver: Receiver) -> None:
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


async def test_metrics_of_both_processes_have_the_names_of_the_conventions(stack: Stack, receiver: Receiver) -> None:
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
