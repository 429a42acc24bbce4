"""Usage rows in JetStream: one message per request, the newest kept. Where that is, is in `usage_store`.

A row that ends a request and comes from its worker is the best there is and replaces whatever was there. Everybody
else who closes a row does it by `close_open`, which never touches one that is closed.
"""

import asyncio
import contextlib
import datetime as dt
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError

from penstock_contract import codec, subjects
from penstock_contract.broker import snapshot
from penstock_contract.broker.connection import Connection
from penstock_contract.errors import PenstockError
from penstock_contract.usage import Checkpoint, Presence, UsageRow

RETRY_S = 1.0
CONFIRM_S = 2.0
UNCONFIRMED_MAX = 65_536
SEND_MAX = 256
READ_BATCH = 512
READ_S = 5.0

log = structlog.get_logger("penstock.broker")


def _subject(row: UsageRow) -> str:
    namespace, _, route = row.route.partition(".")
    return subjects.usage(namespace, route, row.gateway, row.id)


class UsageWriter:
    """Writes rows. What `close` was given is kept and sent again until the broker has it; `run` must be running."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._unconfirmed: OrderedDict[str, UsageRow] = OrderedDict()
        self._closed = asyncio.Event()
        self._confirmed = asyncio.Event()

    async def open(self, row: UsageRow) -> None:
        """Fire and forget: a row that is lost with the broker's connection is written again when it is closed."""
        await self._connection.publish(_subject(row), codec.encode_json(row))

    def close(self, row: UsageRow) -> None:
        """The last word on a request."""
        self._unconfirmed[row.id] = row
        if len(self._unconfirmed) > UNCONFIRMED_MAX:
            lost, _ = self._unconfirmed.popitem(last=False)
            log.error("usage.row_lost", request_id=lost)
        self._closed.set()

    async def checkpoint(self, namespace: str, route: str, checkpoint: Checkpoint) -> None:
        subject = subjects.checkpoint(namespace, route, checkpoint.worker)
        await self._connection.publish(subject, codec.encode(checkpoint))

    async def run(self) -> None:
        while True:
            await self._closed.wait()
            self._closed.clear()
            rows = list(itertools.islice(self._unconfirmed.values(), SEND_MAX))
            await asyncio.gather(*(self._send(row) for row in rows))
            if not self._unconfirmed:
                self._confirmed.set()
                self._confirmed.clear()
                continue
            if any(self._unconfirmed.get(row.id) is row for row in rows):
                await asyncio.sleep(RETRY_S)
            self._closed.set()

    async def drained(self, timeout_s: float) -> None:
        """Wait until every closed row is confirmed, at most `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._unconfirmed:
                    await self._confirmed.wait()
        if self._unconfirmed:
            log.error("usage.rows_lost", rows=len(self._unconfirmed))

    async def _send(self, row: UsageRow) -> None:
        if await _put(self._connection, row, None) and self._unconfirmed.get(row.id) is row:
            del self._unconfirmed[row.id]


class _Answer(msgspec.Struct):
    seq: int = 0
    error: msgspec.Raw | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode


async def _put(connection: Connection, row: UsageRow, expected: int | None) -> bool:
    """Whether the broker has it. With `expected`, only if the newest row of the request has this number."""
    headers = None if expected is None else {"Nats-Expected-Last-Subject-Sequence": str(expected)}
    if not connection.connected:
        return False
    try:
        answer = await connection.client.request(
            _subject(row), codec.encode_json(row), timeout=CONFIRM_S, headers=headers
        )
    except (Error, OSError):
        return False
    return _decode_answer(answer.data).error is None


async def close_open(connection: Connection, row: UsageRow, merge: Callable[[UsageRow], UsageRow]) -> bool:
    """Close the request of `row` unless it is closed: with `merge(the newest row)`, or `row` if there is none.

    False when that is not known to be done, because the broker is away or somebody else wrote meanwhile: again later.
    """
    if not connection.connected:
        return False
    jetstream = connection.client.jetstream()
    try:
        message = await jetstream.get_last_msg(subjects.USAGE, _subject(row), direct=True)
    except NotFoundError:
        return await _put(connection, row, 0)
    except (Error, OSError):
        return False
    found = _decoded(message.data or b"")
    if found is None or message.seq is None:
        return True
    if found.ended is not None:
        return True
    return await _put(connection, merge(found), message.seq)


async def last_checkpoint(connection: Connection, row: UsageRow) -> Checkpoint | None:
    """What the row's worker had counted when it last said so."""
    if not row.worker:
        return None
    namespace, _, route = row.route.partition(".")
    subject = subjects.checkpoint(namespace, route, row.worker)
    try:
        message = await connection.client.jetstream().get_last_msg(subjects.CHECKPOINTS, subject, direct=True)
        return codec.decode_checkpoint(message.data or b"")
    except (Error, OSError, msgspec.DecodeError):
        return None


async def read(connection: Connection, *, since: float, filter_: str = subjects.ALL_USAGE) -> AsyncIterator[UsageRow]:
    """Every row that is there now and was written at or after `since` (Unix seconds), in the order of writing.

    Each request at most once: what is written while we read is not read. Raises `broker_unavailable`.
    """
    try:
        async for row in _read(connection, since, filter_):
            yield row
    except (Error, OSError, TimeoutError) as error:
        raise PenstockError("broker_unavailable", "the message broker does not answer", retry_after_s=1) from error


async def _read(connection: Connection, since: float, filter_: str) -> AsyncIterator[UsageRow]:
    jetstream = connection.client.jetstream()
    config = ConsumerConfig(
        filter_subject=filter_,
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.BY_START_TIME,
        opt_start_time=dt.datetime.fromtimestamp(since, dt.UTC),
        inactive_threshold=READ_S * 6,
        mem_storage=True,
        num_replicas=1,
    )
    last = (await jetstream.stream_info(subjects.USAGE)).state.last_seq
    info = await jetstream.add_consumer(subjects.USAGE, config)
    left = info.num_pending or 0
    subscription = await jetstream.pull_subscribe_bind(consumer=info.name, stream=subjects.USAGE)
    try:
        # Exactly what is there is asked for: nats-py's fetch waits for what is not.
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
            await jetstream.delete_consumer(subjects.USAGE, info.name)


def _decoded(data: bytes) -> UsageRow | None:
    try:
        return codec.decode_usage_row(data)
    except msgspec.DecodeError as error:
        log.error("usage.row_unreadable", detail=str(error)[:200])  # noqa: TRY400 - the detail says it
        return None


class PresenceBook:
    """Which gateways may have left open rows behind."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, presence: Presence) -> bool:
        """Whether the broker has it."""
        try:
            bucket = await self._connection.client.jetstream().key_value(subjects.GATEWAYS_BUCKET)
            await bucket.put(presence.gateway, codec.encode_json(presence))
        except (Error, OSError):
            return False
        return True

    async def remove(self, gateway: str) -> None:
        with contextlib.suppress(Error, OSError):
            bucket = await self._connection.client.jetstream().key_value(subjects.GATEWAYS_BUCKET)
            await bucket.purge(gateway)

    async def all(self) -> list[Presence]:
        """Empty while the broker is away."""
        try:
            bucket = await self._connection.client.jetstream().key_value(subjects.GATEWAYS_BUCKET)
            entries = await snapshot.read(bucket, READ_S)
        except (Error, APIError, OSError, TimeoutError):
            return []
        found = []
        for entry in entries:
            with contextlib.suppress(msgspec.DecodeError):
                found.append(codec.decode_presence(entry.value or b""))
        return found
