"""Usage rows in JetStream: one message per request, the newest kept. `usage_storage` creates the streams.

A worker's row replaces the stored one if `may_replace` allows it, by compare-and-set: after a pause of its process
another worker may have served the request. A gateway closes a row by `close_row`, which keeps a worker's last row.
"""

import asyncio
import contextlib
import datetime as dt
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from penstock_broker import jetstream
from penstock_broker.connection import Connection
from penstock_broker.errors import NO_ANSWER, broker_unavailable, translated
from penstock_contract import codec, subjects
from penstock_contract.errors import PenstockError
from penstock_contract.usage.record import (
    Checkpoint,
    RowWriteResult,
    UsageRow,
    is_stored,
    may_replace,
    with_replaced,
)

RETRY_S = 1.0
CONFIRM_S = 2.0
UNCONFIRMED_MAX = 65_536
SENDING_MAX = 1024
"""Rows that are sent and not confirmed at the same time."""
READ_BATCH = 512
READ_S = 5.0
CONFLICTS_MAX = 10
CONFLICT_S = 0.01

log = structlog.get_logger("penstock.broker")


def _subject(row: UsageRow) -> str:
    namespace, _, route = row.route.partition(".")
    return subjects.usage(namespace, route, row.gateway, row.id)


async def read_row(connection: Connection, route: str, gateway: str, request_id: str) -> UsageRow | None:
    """The stored row of a request; None also for an unreadable one. Raises `broker_unavailable`."""
    namespace, _, name = route.partition(".")
    subject = subjects.usage(namespace, name, gateway, request_id)
    stored = await jetstream.newest(connection, subjects.USAGE, subject, timeout_s=READ_S)
    return None if stored is None else _decoded(stored.data)


async def open_row(connection: Connection, row: UsageRow) -> bool:
    """Write a request's first row unless it has one. False if the broker did not confirm that it has one now."""
    try:
        await _compare_and_set(connection, row, 0)
    except PenstockError:
        return False
    return True


class UsageWriter:
    """A worker's rows; `run` must be running.

    A row given to `close` is sent without waiting for the rows before it, so that it is on its way to the broker
    before its worker can end. It is kept and sent again until the broker has it, or has a row that stays.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._unconfirmed: OrderedDict[str, tuple[UsageRow, int]] = OrderedDict()
        self._unsent: deque[str] = deque()
        self._closed = asyncio.Event()
        self._confirmed = asyncio.Event()

    async def read_row(self, row: UsageRow) -> UsageRow | None:
        """The stored row of the request. Raises `broker_unavailable`."""
        return (await _newest(self._connection, row))[0]

    async def write(self, row: UsageRow, *, is_first: bool = False) -> RowWriteResult:
        """Write the row if the stored one may be replaced; `is_first`: probably none is, so nothing is read before.

        Raises `broker_unavailable`: it may be stored or not.
        """
        if is_first and (written := await _put(self._connection, row, 0)) is not None:
            return RowWriteResult(written)
        for conflicts in range(CONFLICTS_MAX):
            stored, number = await _newest(self._connection, row)
            if stored is not None and not may_replace(stored, row):
                return RowWriteResult(kept=stored)
            if stored is not None and is_stored(stored, row):
                return RowWriteResult(number)  # by an earlier try whose answer was lost
            written = await _put(self._connection, row if stored is None else with_replaced(row, stored), number)
            if written is not None:
                return RowWriteResult(written)
            await asyncio.sleep(CONFLICT_S * conflicts)
        raise broker_unavailable()

    def close(self, row: UsageRow, after: int = 0) -> None:
        """Write the last row of a request, which was claimed with the number `after`; 0 if it was not."""
        if row.id not in self._unconfirmed:
            self._unsent.append(row.id)
            self._closed.set()
        self._unconfirmed[row.id] = row, after
        if len(self._unconfirmed) > UNCONFIRMED_MAX:
            lost, _ = self._unconfirmed.popitem(last=False)
            log.error("usage.row_lost", request_id=lost)

    async def checkpoint(self, namespace: str, route: str, checkpoint: Checkpoint) -> None:
        subject = subjects.checkpoint(namespace, route, checkpoint.worker)
        await self._connection.publish(subject, codec.encode(checkpoint))

    async def run(self) -> None:
        free = asyncio.Semaphore(SENDING_MAX)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._closed.wait()
                self._closed.clear()
                while self._unsent:
                    await free.acquire()
                    group.create_task(self._store(self._unsent.popleft())).add_done_callback(lambda _: free.release())

    async def wait_stored(self, row_id: str, timeout_s: float) -> None:
        """Wait until the closed row of this request is confirmed, at most `timeout_s`."""
        await self._wait_until(lambda: row_id not in self._unconfirmed, timeout_s)

    async def drained(self, timeout_s: float) -> None:
        """Wait until every closed row is confirmed, at most `timeout_s`."""
        await self._wait_until(lambda: not self._unconfirmed, timeout_s)
        if self._unconfirmed:
            log.error("usage.rows_lost", rows=len(self._unconfirmed))

    async def _wait_until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not holds():
                    await self._confirmed.wait()

    async def _store(self, id_: str) -> None:
        while (closed := self._unconfirmed.get(id_)) is not None:
            if not await self._send(*closed):
                await asyncio.sleep(RETRY_S)
            elif self._unconfirmed.get(id_) is closed:
                del self._unconfirmed[id_]
                self._confirmed.set()
                self._confirmed.clear()

    async def _send(self, row: UsageRow, after: int) -> bool:
        """Return whether the broker has the row, or one that must not be replaced."""
        if after and await _put(self._connection, row, after) is not None:
            return True
        try:
            claimed = await self.write(row)
        except PenstockError:
            return False
        if claimed.kept is not None:
            log.info("usage.row_stays", request_id=row.id, delivery=row.delivery, of=claimed.kept.delivery)
        return True


async def _put(connection: Connection, row: UsageRow, expected: int) -> int | None:
    """`_compare_and_set`; None also if the broker did not confirm it."""
    try:
        return await _compare_and_set(connection, row, expected)
    except PenstockError:
        return None


async def _compare_and_set(connection: Connection, row: UsageRow, expected: int) -> int | None:
    """Write the row if the newest of its request has the sequence `expected`; returns the new sequence.

    None: another row was written meanwhile. Raises `broker_unavailable`.
    """
    return await jetstream.compare_and_set(
        connection, _subject(row), codec.encode_json(row), expected, timeout_s=CONFIRM_S
    )


async def _newest(connection: Connection, row: UsageRow) -> tuple[UsageRow | None, int]:
    """The stored row of the request and its sequence, 0 if there is none; None also for an unreadable row.

    Raises `broker_unavailable`.
    """
    stored = await jetstream.newest(connection, subjects.USAGE, _subject(row), timeout_s=READ_S)
    return (None, 0) if stored is None else (_decoded(stored.data), stored.sequence)


def _is_closed(row: UsageRow) -> bool:
    return row.ended is not None


async def close_row(
    connection: Connection,
    row: UsageRow,
    merge: Callable[[UsageRow], UsageRow],
    stands: Callable[[UsageRow], bool] = _is_closed,
) -> bool:
    """Close the request of `row` unless the newest row `stands`: with `merge` of that one, or `row` if there is none.

    False if it is not confirmed, because the broker is unreachable or another process wrote meanwhile: retry later.
    """
    try:
        found, number = await _newest(connection, row)
    except PenstockError:
        return False
    if number and (found is None or stands(found)):
        return True
    return await _put(connection, row if found is None else merge(found), number) is not None


async def read_checkpoint(connection: Connection, row: UsageRow) -> Checkpoint | None:
    """The last checkpoint of the row's worker, or None."""
    if not row.worker:
        return None
    namespace, _, route = row.route.partition(".")
    subject = subjects.checkpoint(namespace, route, row.worker)
    try:
        stored = await jetstream.newest(connection, subjects.CHECKPOINTS, subject, timeout_s=READ_S)
        return None if stored is None else codec.decode_checkpoint(stored.data)
    except (PenstockError, msgspec.DecodeError):
        return None


async def read_rows(
    connection: Connection, *, since: float, filter_: str = subjects.ALL_USAGE
) -> AsyncIterator[UsageRow]:
    """Every row that is there now and was written at or after `since` (Unix seconds), in the order of writing.

    Each request at most once: what is written while we read is not read. Raises `broker_unavailable`.
    """
    with translated(NO_ANSWER):
        async for row in _read_rows(connection, since, filter_):
            yield row


async def _read_rows(connection: Connection, since: float, filter_: str) -> AsyncIterator[UsageRow]:
    context = connection.client.jetstream()
    config = ConsumerConfig(
        filter_subject=filter_,
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.BY_START_TIME,
        opt_start_time=dt.datetime.fromtimestamp(since, dt.UTC),
        inactive_threshold=READ_S * 6,
        mem_storage=True,
        num_replicas=1,
    )
    last = (await context.stream_info(subjects.USAGE)).state.last_seq
    info = await context.add_consumer(subjects.USAGE, config)
    left = info.num_pending or 0
    subscription = await context.pull_subscribe_bind(consumer=info.name, stream=subjects.USAGE)
    try:
        # Requests exactly what is there: nats-py's fetch waits for messages that do not exist.
        while left > 0:
            messages: list[Msg] = await subscription.fetch(min(left, READ_BATCH), timeout=READ_S)
            for message in messages:
                if message.metadata.sequence.stream > last:
                    return
                row = _decoded(message.data)
                if row is not None:
                    yield row
            left = min(left - len(messages), messages[-1].metadata.num_pending)
    finally:
        with contextlib.suppress(Error, NatsTimeoutError):
            await subscription.unsubscribe()
            await context.delete_consumer(subjects.USAGE, info.name)


def _decoded(data: bytes) -> UsageRow | None:
    try:
        return codec.decode_usage_row(data)
    except msgspec.DecodeError as error:
        log.error("usage.row_unreadable", detail=str(error)[:200])  # noqa: TRY400 - without a traceback
        return None
