"""After an answer's end a client that reads nothing in time is disconnected; one that reads a little is not."""

import asyncio

from unit.support.virtual_time import virtual_time

from penstock_gateway.server.write_timeout import WriteTimeout

TIMEOUT_S = 30.0


class Wire(asyncio.Transport):
    def __init__(self, waiting: int) -> None:
        super().__init__()
        self.waiting = waiting
        self.aborted_at: float | None = None

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted_at = asyncio.get_running_loop().time()


def write_timeout(waiting: int) -> tuple[WriteTimeout, Wire]:
    wire = Wire(waiting)
    return WriteTimeout(wire, asyncio.get_running_loop(), TIMEOUT_S), wire


@virtual_time
async def test_write_timeout_cuts_a_client_that_takes_nothing() -> None:
    made, wire = write_timeout(1000)
    ended_at = asyncio.get_running_loop().time()
    made.start()
    await asyncio.sleep(10)
    made.start()
    await asyncio.sleep(600)

    assert wire.aborted_at == ended_at + TIMEOUT_S


@virtual_time
async def test_write_timeout_keeps_a_client_that_takes_a_little() -> None:
    made, wire = write_timeout(100)
    made.start()
    while wire.waiting:
        await asyncio.sleep(TIMEOUT_S - 1)
        wire.waiting -= 1
    await asyncio.sleep(600)

    assert wire.aborted_at is None


@virtual_time
async def test_write_timeout_cuts_a_client_that_stops_reading() -> None:
    made, wire = write_timeout(1000)
    made.start()
    await asyncio.sleep(TIMEOUT_S / 2)
    wire.waiting = 500
    await asyncio.sleep(2 * TIMEOUT_S)

    assert wire.aborted_at is not None


@virtual_time
async def test_write_timeout_cuts_a_stopped_client_while_the_next_answer_is_written() -> None:
    made, wire = write_timeout(1000)
    made.start()
    for _ in range(60):
        await asyncio.sleep(1)
        made.written += 10
        wire.waiting += 10

    assert wire.aborted_at is not None


@virtual_time
async def test_write_timeout_does_not_start_when_all_was_read() -> None:
    made, wire = write_timeout(0)
    made.start()
    await asyncio.sleep(0)
    wire.waiting = 1000
    await asyncio.sleep(600)

    assert wire.aborted_at is None


@virtual_time
async def test_write_timeout_is_cancelled_with_the_connection() -> None:
    made, wire = write_timeout(1000)
    made.start()
    made.cancel()
    await asyncio.sleep(600)

    assert wire.aborted_at is None
