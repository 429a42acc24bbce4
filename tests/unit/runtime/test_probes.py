"""Probes of a kubelet, over real HTTP on loopback."""

import asyncio
import signal
import socket

import httpx
import pytest

from penstock_runtime.probes import Probes


class Subject:
    """A process with probes."""

    def __init__(self) -> None:
        self.failed: str | None = None
        self.not_ready: str | None = None

    def probes(self, port: int = 0) -> Probes:
        return Probes(
            "127.0.0.1",
            port,
            live=lambda: self.failed,
            ready=lambda: self.not_ready,
            metrics=lambda: (b"up 1\n", "text/plain; version=0.0.4"),
        )


async def test_probes_of_a_healthy_process_are_live_and_ready_and_show_its_metrics() -> None:
    probes = Subject().probes()
    await probes.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}", trust_env=False) as client:
            for path in ("/livez", "/readyz"):
                answer = await client.get(path)
                assert (answer.status_code, answer.text) == (200, "ok\n")
            metrics = await client.get("/metrics")
            assert (metrics.status_code, metrics.text) == (200, "up 1\n")
            assert metrics.headers["content-type"] == "text/plain; version=0.0.4"
            head = await client.head("/readyz")
            assert (head.status_code, head.content) == (200, b"")
            assert (await client.get("/")).status_code == 404
            assert (await client.post("/readyz")).status_code == 405
    finally:
        await probes.close()


async def test_probes_report_each_check_with_its_reason() -> None:
    subject = Subject()
    probes = subject.probes()
    subject.not_ready = "draining"
    assert probes.answer("/readyz") == (503, b"draining\n", "text/plain; charset=utf-8")
    assert probes.answer("/livez")[0] == 200
    subject.not_ready, subject.failed = None, "the watch is silent"
    assert probes.answer("/readyz")[0] == 200
    assert probes.answer("/livez") == (503, b"the watch is silent\n", "text/plain; charset=utf-8")


def test_probes_of_a_process_without_metrics_have_no_metrics_page() -> None:
    probes = Probes("127.0.0.1", 0, live=lambda: None, ready=lambda: None)
    assert probes.answer("/metrics")[0] == 404


async def test_probes_leave_the_signal_handlers_of_the_process() -> None:
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, signalled.set)
    probes = Subject().probes()
    await probes.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}", trust_env=False) as client:
            await client.get("/livez")
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                await signalled.wait()
            assert (await client.get("/livez")).status_code == 200
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        await probes.close()


async def test_probes_report_a_taken_port_as_an_error_and_do_not_end_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await Subject().probes(taken.getsockname()[1]).start()


async def test_probes_close_without_a_start() -> None:
    await Subject().probes().close()
