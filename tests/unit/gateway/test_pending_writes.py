"""Texts of many streams are written in parts, so that other work of the event loop comes in between."""

import asyncio

import pytest
from unit.support.streams import RecordingWriter, started_stream

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import Finished, TextDelta
from penstock_gateway.streaming.pending_writes import WRITES_PER_CHECK, WRITING_S, PendingWrites
from penstock_gateway.streaming.stream import Stream

HELD = WRITES_PER_CHECK * 5


class Clock:
    """Advances by `step_s` at each reading."""

    def __init__(self, step_s: float) -> None:
        self._now, self._step_s = 0.0, step_s

    def __call__(self) -> float:
        self._now += self._step_s
        return self._now


def held_streams(count: int = HELD) -> tuple[list[Stream], list[RecordingWriter]]:
    """Streams with one written text, and one that is not written yet."""
    streams, clients = zip(*(started_stream(TextDelta("a")) for _ in range(count)), strict=True)
    fed: list[Stream] = []
    for stream in streams:
        assert stream.feed_text(1, 3, "b", 1000.0, fed)
    assert fed == list(streams)
    return list(streams), list(clients)


def written(clients: list[RecordingWriter]) -> int:
    return sum(b'"b"' in client.received for client in clients)


async def test_pending_writes_writes_the_texts_of_a_few_streams_at_once() -> None:
    streams, clients = held_streams(WRITES_PER_CHECK)
    PendingWrites().add(streams)

    assert written(clients) == WRITES_PER_CHECK


async def test_pending_writes_writes_a_batch_after_the_callbacks_that_are_due() -> None:
    streams, clients = held_streams()
    seen = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(written(clients)))
    PendingWrites(Clock(0.0)).add(streams)
    await asyncio.sleep(0)
    seen.append(written(clients))

    assert seen == [0, HELD]


async def test_pending_writes_lets_other_callbacks_run_between_the_parts_of_a_slow_batch() -> None:
    streams, clients = held_streams()
    PendingWrites(Clock(WRITING_S * 1.1)).add(streams)
    seen = []
    while not seen or seen[-1] < HELD:
        await asyncio.sleep(0)
        seen.append(written(clients))

    assert seen == [8, 16, 24, 32, 40]


async def test_pending_writes_writes_the_oldest_first_and_the_texts_of_two_batches_in_one_call() -> None:
    streams, clients = held_streams()
    pending = PendingWrites(Clock(WRITING_S * 1.1))
    pending.add(streams)
    await asyncio.sleep(0)
    fed: list[Stream] = []
    for stream in streams:
        stream.feed_text(1, 4, "c", 1000.0, fed)
    pending.add(fed)

    assert fed == streams[:WRITES_PER_CHECK], "the others have texts that wait already"
    assert written(clients) == WRITES_PER_CHECK, "nothing more is written while others wait"
    for _ in range(HELD):
        await asyncio.sleep(0)
    head, tail = clients[0], clients[-1]
    assert head.writes[-2:] == [b'data: {"text":"b"}\n\n', b'data: {"text":"c"}\n\n']
    assert tail.writes[-1] == b'data: {"text":"b"}\n\ndata: {"text":"c"}\n\n'
    assert all(client.received.endswith(b'data: {"text":"c"}\n\n') for client in clients)


class FailingWriter(RecordingWriter):
    def write(self, data: bytes) -> bool:
        raise MemoryError(len(data))


async def test_pending_writes_goes_on_after_an_error_in_one_stream() -> None:
    streams, clients = held_streams()
    streams[3].attach(FailingWriter())
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context["exception"]))
    PendingWrites().add(streams)
    for _ in range(3):
        await asyncio.sleep(0)

    assert [type(error) for error in errors] == [MemoryError]
    assert written(clients) == HELD - 1


async def test_pending_writes_keeps_the_order_of_a_stream_that_ends_while_its_text_waits() -> None:
    streams, clients = held_streams()
    PendingWrites().add(streams)
    streams[-1].feed(1, 4, Finished("stop"), 1000.0)
    streams[-2].fail(ErrorDetail("worker_lost", "the worker was lost"))

    assert clients[-1].received.endswith(b'data: {"text":"b"}\n\ndata: [DONE]\n\n')
    assert clients[-2].received.index(b'"b"') < clients[-2].received.index(b"worker_lost")
    ends = [client.received for client in clients[-2:]]
    for _ in range(HELD):
        await asyncio.sleep(0)
    assert [client.received for client in clients[-2:]] == ends, "nothing is written after the end"


@pytest.mark.parametrize("gone", ["left", "cut"])
async def test_pending_writes_writes_nothing_to_a_client_that_has_gone(gone: str) -> None:
    streams, clients = held_streams()
    PendingWrites().add(streams)
    if gone == "left":
        streams[-1].leave()
    else:
        streams[-1].cut(ErrorDetail("gateway_stopping", "the gateway is stopping"))
    for _ in range(HELD):
        await asyncio.sleep(0)

    assert written(clients) == HELD - 1
    assert b'"b"' not in clients[-1].received
