"""A worker that drains, resumes, stops, or whose route changes: no stream is truncated."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until
from harness.provider_answers import chunk, finish, text_stream, usage
from harness.provider_call import Call
from harness.route_spec import completion, provider, spec
from harness.stack import Stack
from harness.stack_routes import NAMESPACE
from harness.stream_reader import texts_of

from penstock_contract import codec, subjects
from penstock_contract.stream.frames import Drain, Resume

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"workers": 0}
TOKENS = [f"token-{number} " for number in range(40)]


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> AsyncIterator[Stack]:
    await module_stack.reset()
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


class Paced:
    """A provider's answer that continues, token by token, on the test's signal."""

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(0)

    def go_on(self, tokens: int = len(TOKENS)) -> None:
        for _ in range(tokens):
            self._permits.release()

    async def __call__(self, call: Call) -> None:
        await call.head()
        for token in TOKENS:
            await self._permits.acquire()
            await call.write(chunk(token))
        await call.write(finish() + usage())
        await call.end()


async def test_worker_drained_finishes_its_stream_and_pulls_nothing_until_resumed(
    stack: Stack,
) -> None:
    drained, other = await named(stack, "worker-a"), await named(stack, "worker-b")
    await other.end()
    answer = Paced()
    stack.main.answers(answer)
    answer.go_on(3)
    async with stack.stream("/api/chat", completion()) as stream:
        for _ in range(3):
            await stream.event()
        await tell(stack, "worker-a", Drain())
        await drained.logged("worker.draining", in_flight=1)
        beat = await until(lambda: _beat(stack, "worker-a", draining=True), "its heartbeat has it", timeout_s=1)
        assert beat.in_flight == 1
        stack.main.answers(text_stream("from the other"))
        pending = asyncio.create_task(stack.post("/api/chat", completion()))
        await until(lambda: _queued(stack, 1), "a request waits")
        await named(stack, "worker-b")
        assert texts_of((await pending).text) == "from the other"
        answer.go_on()
        await stream.rest()
        assert texts_of(stream.raw.decode()) == "".join(TOKENS)
        assert stream.raw.endswith(b"data: [DONE]\n\n")
    await until(lambda: _idle(stack, "worker-a"), "it has no streams")
    assert drained.alive, "the sender of the drain ends it"

    await stack.workers[-1].end()
    pending = asyncio.create_task(stack.post("/api/chat", completion()))
    await until(lambda: _queued(stack, 1), "the next request stays in the queue")
    await tell(stack, "worker-a", Resume())
    assert texts_of((await pending).text) == "from the other"
    assert _beat(stack, "worker-a", draining=False)


async def test_worker_drained_exits_0_on_sigterm(stack: Stack) -> None:
    worker = await named(stack, "worker-a")
    await tell(stack, "worker-a", Drain())
    await worker.logged("worker.draining", in_flight=0)
    worker.terminate()
    assert await worker.exited() == 0


async def test_worker_stopping_is_not_resumed(stack: Stack) -> None:
    worker = await named(stack, "worker-a")
    answer = Paced()
    stack.main.answers(answer)
    answer.go_on(1)
    async with stack.stream("/api/chat", completion()) as stream:
        await stream.event()
        worker.terminate()
        await worker.logged("worker.draining", stopping=True)
        await tell(stack, "worker-a", Resume())
        pending = asyncio.create_task(stack.post("/api/chat", completion()))
        await until(lambda: _queued(stack, 1), "the next request waits")
        answer.go_on()
        await stream.rest()
    assert await worker.exited() == 0
    assert not worker.events("worker.resumed")
    stack.main.answers(text_stream("Hello"))
    await named(stack, "worker-b")
    assert texts_of((await pending).text) == "Hello"


async def test_worker_readyz_has_the_reason_and_livez_stays_ok() -> None:
    async with Stack(route=None) as stack:
        port = free_port()
        worker = stack.spawn_worker("main", probed(port))
        async with plain_client(f"http://127.0.0.1:{port}") as kubelet:

            async def readiness() -> tuple[int, str] | None:
                try:
                    answer = await kubelet.get("/readyz")
                except httpx.TransportError:
                    return None
                return answer.status_code, answer.text.strip()

            async def reports(status: int, text: str) -> None:
                async def holds() -> bool:
                    return await readiness() == (status, text)

                await until(holds, f"/readyz returns {status} {text}")

            await reports(503, "the route is not in the catalogue")
            await stack.apply("main", spec([provider("main", stack.main.base_url)]))
            await reports(200, "ok")
            assert (await stack.post("/api/chat", completion())).status_code == 200
            metrics = await kubelet.get("/metrics")
            assert metrics.status_code == 200
            assert "gen_ai_client_operation_duration_seconds_count" in metrics.text
            await tell(stack, "worker-p", Drain())
            await reports(503, "draining")
            await tell(stack, "worker-p", Resume())
            await reports(200, "ok")
            stack.nats.kill()
            await reports(503, "the message broker is unavailable")
            assert (await kubelet.get("/livez")).status_code == 200, "a restart would not bring the broker back"
            stack.nats.start()
            stack.processes.append(stack.nats.process)
            await reports(200, "ok")
            worker.terminate()
            assert await worker.exited() == 0


async def test_worker_without_a_broker_stops_on_sigterm(stack: Stack) -> None:
    port = free_port()
    worker = stack.spawn_worker("main", {"PENSTOCK_NATS_URL": f"nats://127.0.0.1:{port}"})
    await worker.logged("worker.serving")
    worker.terminate()
    assert await worker.exited() == 0


@pytest.mark.parametrize("change", ["providers", "limits", "deleted"])
async def test_worker_completes_a_stream_when_its_route_changes(change: str) -> None:
    async with Stack() as stack:
        answer = Paced()
        stack.main.answers(answer)
        answer.go_on(3)
        async with stack.stream("/api/chat", completion()) as stream:
            for _ in range(3):
                await stream.event()
            if change == "providers":
                other = stack.provider.upstream("other")
                await stack.reconfigure(providers=[provider("other", other.base_url)])
                other.answers(text_stream("from the other"))
                assert texts_of((await stack.post("/api/chat", completion())).text) == "from the other"
            elif change == "limits":
                await stack.reconfigure(limits={"queueDepth": 7})
            else:
                await stack.control_plane.remove(NAMESPACE, "main")
                await stack.worker.logged("worker.route_changed", present=False)
            answer.go_on()
            await stream.rest()
            assert texts_of(stream.raw.decode()) == "".join(TOKENS)
            assert stream.raw.endswith(b"data: [DONE]\n\n")


async def test_worker_keeps_provider_connections_when_providers_stay_the_same(stack: Stack) -> None:
    worker = await named(stack, "worker-a")
    assert (await stack.post("/api/chat", completion())).status_code == 200
    changed = msgspec.structs.replace(
        stack.spec(), scaling=msgspec.structs.replace(stack.spec().scaling, concurrency_per_replica=3)
    )
    worker.mark()
    await stack.apply("main", changed)
    assert (await stack.post("/api/chat", completion())).status_code == 200
    first, second = stack.main.calls
    assert first.connection_number == second.connection_number


def probed(port: int, name: str = "worker-p") -> dict[str, str]:
    return {
        "PENSTOCK_PROBE_HOST": "127.0.0.1",
        "PENSTOCK_PROBE_PORT": str(port),
        "PENSTOCK_WORKER_NAME": name,
    }


async def named(stack: Stack, name: str) -> Process:
    return await stack.start_worker(PENSTOCK_WORKER_NAME=name)


async def tell(stack: Stack, worker: str, control: Drain | Resume) -> None:
    await stack.connection.publish(subjects.control(NAMESPACE, "main", worker), codec.encode(control))


def _beat(stack: Stack, worker: str, *, draining: bool) -> object:
    beat = stack.heartbeats.get(worker)
    return beat if beat is not None and beat.draining is draining else None


def _idle(stack: Stack, worker: str) -> bool:
    return stack.heartbeats[worker].in_flight == 0


async def _queued(stack: Stack, count: int) -> bool:
    return await stack.queued() == count
