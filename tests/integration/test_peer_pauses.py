"""A link, the broker or a process is silent for up to 10 s: streams pause, none ends, and no token is lost.

The pauses of all kinds run at the same time, each kind with processes of its own.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

from harness.expect import stream_error_of
from harness.link import Link
from harness.processes import Process
from harness.provider_answers import chunk, finish, text_then_wait, usage
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

STREAMS = ("/api/chat", "/v1/chat/completions", "/api/chat")
PAUSES_S = (3, 4, 6, 9)
BETWEEN_S = 2.0
PACE_S = 0.1
PARTS = ("gateway's link", "worker's link", "broker", "gateway", "worker")


class Endless:
    """Answers with numbered tokens until it is `over`."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        await call.head()
        number = 0
        while not self.over.is_set():
            await call.write(chunk(f"{number} "))
            number += 1
            await asyncio.sleep(PACE_S)
        await call.write(chunk(f"of {number}") + finish() + usage())
        await call.end()


async def read(stack: Stack, path: str) -> str:
    async with stack.stream(path, completion(stream=True)) as stream:
        assert stream.response.status_code == 200
        await stream.rest()
        return stream.raw.decode()


def assert_whole(body: str) -> None:
    texts, _, count = texts_of(body).partition("of ")
    assert count, body[-300:]
    assert texts.split() == [str(number) for number in range(int(count))]
    assert body.endswith("data: [DONE]\n\n")


async def paused(part: str) -> None:
    """Open streams, pause `part` repeatedly, and check that they are complete."""
    async with Stack(workers=0) as stack:
        link = await Link.start(stack.nats.port)
        try:
            if part == "gateway's link":
                await stack.gateway.end()
                await stack.start_gateway(PENSTOCK_NATS_URL=link.url)
            await stack.start_worker(**({"PENSTOCK_NATS_URL": link.url} if part == "worker's link" else {}))
            answer = Endless()
            stack.main.answers(answer)
            reads = [asyncio.create_task(read(stack, path)) for path in STREAMS]
            await stack.main.called(len(STREAMS))
            await asyncio.sleep(BETWEEN_S)
            pause = _pause(part, stack, link)
            for seconds in PAUSES_S:
                await pause(seconds)
                await asyncio.sleep(BETWEEN_S)
                ended = [task.result()[-300:] for task in reads if task.done()]
                assert not ended, f"after {seconds} s: {ended}"
            answer.over.set()
            for body in await asyncio.gather(*reads):
                assert_whole(body)
            assert len(stack.main.calls) == len(STREAMS), "no request was run twice"
        finally:
            await link.close()


def _pause(part: str, stack: Stack, link: Link) -> Callable[[float], Awaitable[None]]:
    processes: dict[str, Callable[[], Process]] = {
        "broker": lambda: stack.nats.process,
        "gateway": lambda: stack.gateway,
        "worker": lambda: stack.worker,
    }

    async def of_link(seconds: float) -> None:
        link.silence()
        await asyncio.sleep(seconds)
        await link.mend()

    async def of_process(seconds: float) -> None:
        process = processes[part]()
        process.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            process.signal(signal.SIGCONT)

    return of_process if part in processes else of_link


async def test_stream_survives_pauses_up_to_9_s_of_each_link_and_process() -> None:
    results = await asyncio.gather(*(paused(part) for part in PARTS), return_exceptions=True)
    failed = {part: repr(result)[:600] for part, result in zip(PARTS, results, strict=True) if result is not None}
    assert not failed, failed


async def test_stream_of_a_killed_worker_and_call_of_a_killed_gateway_end_within_5_s() -> None:
    # With users of the broker: each probe is within its role's permissions.
    async with Stack(users=True) as stack:
        stack.main.answers(text_then_wait("Hel"), text_then_wait("Hel"))
        async with stack.stream(STREAMS[0], completion(stream=True)) as stream:
            await stream.event()
            stack.worker.kill()
            killed_at = time.monotonic()
            body = await stream.rest()
            assert time.monotonic() - killed_at < 5
            stream_error_of(stream.response, body, "worker_lost")
        await stack.start_worker()
        async with stack.stream(STREAMS[0], completion(stream=True)) as stream:
            await stream.event()
            stack.gateway.kill()
            await stack.main.idle(timeout_s=5)


async def test_peer_with_an_open_connection_counts_as_lost_after_the_longest_pause() -> None:
    await asyncio.gather(vanished("worker"), vanished("gateway"))


async def vanished(part: str) -> None:
    async with Stack(workers=0) as stack:
        link = await Link.start(stack.nats.port)
        try:
            if part == "gateway":
                await stack.gateway.end()
                await stack.start_gateway(PENSTOCK_NATS_URL=link.url)
            worker = await stack.start_worker(**({"PENSTOCK_NATS_URL": link.url} if part == "worker" else {}))
            stack.main.answers(text_then_wait("Hel"))
            async with stack.stream(STREAMS[0], completion(stream=True)) as stream:
                await stream.event()
                link.silence()
                if part == "worker":
                    worker.kill()
                    stream_error_of(stream.response, await stream.rest(), "worker_lost")
                else:
                    stack.gateway.kill()
                    await stack.main.idle(timeout_s=14)
        finally:
            await link.close()
