"""Telemetry by the standard variables: disabled, under another name, and without a receiver."""

import pytest
from harness.processes import free_port
from harness.route_spec import completion
from harness.stack import Stack
from harness.telemetry import Receiver, scrape

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_telemetry_exports_nothing_when_disabled_and_passes_the_clients_trace(receiver: Receiver) -> None:
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


async def test_telemetry_uses_the_configured_service_name(receiver: Receiver) -> None:
    def named(name: str) -> dict[str, str]:
        return {**receiver.environ, "OTEL_SERVICE_NAME": name}

    async with Stack(gateway_env=named("front"), worker_env=named("back")) as stack:
        response = await stack.post("/api/chat", completion())
        spans = await receiver.spans_of(response.headers["x-request-id"], 4)

    assert {span.service for span in spans} == {"front", "back"}


async def test_telemetry_without_a_collector_delays_no_request_and_no_exit() -> None:
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
