"""The usage rows of this gateway's requests: opened before the queue has them, closed by whoever knows best.

    1. `open` writes the row in the same breath as the request is published: both reach the broker, or neither.
    2. The worker replaces it, and closes it at the end with the provider's count. The gateway hears that.
    3. What nobody has closed `SETTLE_S` after its stream ended here (no worker took it, its worker died) is closed
       with what the gateway counted itself, or its worker had noted in a checkpoint. A provider's count wins over any
       estimate; of two estimates the larger one counts.

A worker that was only away closes the row once more when it is back, and its word is the better one. Where more than
one worker had the request, only the word of the one that its stream was served by counts, and only the gateway knows
which that is. If it heard others it looks once more, also at a row that was closed.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from penstock_broker.connection import Connection
from penstock_broker.stores.usage import GatewayPresenceStore, close_row, open_row, read_checkpoint
from penstock_contract import codec
from penstock_contract.catalogue import Resolution
from penstock_contract.request.operations import Operation
from penstock_contract.usage.money import FREE, decimal, picos
from penstock_contract.usage.record import (
    GatewayPresence,
    Tokens,
    UsageRow,
    choose_tokens,
    estimate_input_tokens,
    estimate_output_tokens,
    tokens_from_report,
    update_row,
    with_checkpoint,
)
from penstock_gateway.streaming.stream import LiveStream
from penstock_runtime.clock import Clock

SETTLE_S = 3.0
"""A worker's last word takes a few milliseconds; one whose broker connection broke needs longer."""
TICK_S = 0.5
PRESENCE_S = 10.0
LEAVE_S = 2.0
CLOSES_AT_ONCE = 64
ENTRIES_MAX = 200_000

log = structlog.get_logger("penstock.gateway")


class Entry:
    """A request whose row is not known to be closed. `on_closed` hears its last row, once.

    `contested` once another worker than that of its stream wrote a row; `heard` is then the right one's last. `noted`
    has what the stream's workers had written in their last checkpoints.
    """

    __slots__ = ("contested", "ended_at", "heard", "noted", "on_closed", "operation", "resolution", "row", "stream")

    def __init__(
        self,
        row: UsageRow,
        stream: LiveStream,
        resolution: Resolution,
        operation: Operation,
        on_closed: Callable[[UsageRow], None],
    ) -> None:
        self.row = row
        self.stream = stream
        self.resolution = resolution
        self.operation = operation
        self.on_closed = on_closed
        self.ended_at: float | None = None
        self.contested = False
        self.heard: UsageRow | None = None
        self.noted: UsageRow | None = None

    def is_ours(self, row: UsageRow) -> bool:
        """Whether a row is of the worker that serves the stream, or of nobody; a later one may serve it unheard."""
        attempt = self.stream.attempt
        return row.delivery in {0, attempt} or (row.delivery > attempt and not self.stream.started)

    def stands(self, found: UsageRow) -> bool:
        return found.ended is not None and self.is_ours(found)

    def closed(self, found: UsageRow) -> UsageRow:
        """The last row, from the newest one that is stored and what this gateway counted; it knows the later."""
        if self.heard is not None:
            return self.heard
        if not self.is_ours(found):
            found = self.row
        stream = self.stream
        provider = stream.provider or found.provider
        first = stream.first_delta_at
        row = update_row(
            found,
            self._tokens(),
            next((one.rates for one in self.resolution.entry.spec.providers if one.name == provider), FREE),
            worker=stream.worker or found.worker,
            provider=provider,
            attempts=max(stream.attempt, found.attempts),
            first_token_s=found.first_token_s if first is None else first - stream.opened_at,
            duration_s=(self.ended_at or stream.active_at) - stream.opened_at,
            ended=self._ended(),
            delivery=found.delivery or stream.attempt,
            unanswered=stream.unanswered,
        )
        if stream.usage is not None:
            return row  # the provider's count that the client has got
        return self._with_more(self._with_more(row, self.noted), found)

    def _with_more(self, row: UsageRow, other: UsageRow | None) -> UsageRow:
        """The row with the other's count, where that is the better one."""
        if other is None or choose_tokens(row.tokens, other.tokens) is row.tokens:
            return row
        return replace(row, tokens=other.tokens, cost=other.cost, unanswered=other.unanswered)

    def _tokens(self) -> Tokens:
        stream = self.stream
        if stream.usage is not None:
            return tokens_from_report(stream.usage)
        if not stream.started:
            return Tokens()
        output = estimate_output_tokens(self.operation, stream.deltas, stream.text_length)
        return Tokens(estimate_input_tokens(self.operation), 0, output, estimated=True)

    def _ended(self) -> str:
        if self.stream.error is not None:
            return self.stream.error.code
        return self.stream.finished.reason if self.stream.finished is not None else "cancelled"


class Books:
    """`run` must be running; whoever calls it calls `close` afterwards."""

    def __init__(self, connection: Connection, clock: Clock, *, gateway: str) -> None:
        self._connection = connection
        self._clock = clock
        self._gateway = gateway
        self._presence = GatewayPresenceStore(connection)
        self._entries: dict[str, Entry] = {}
        self._loop = asyncio.get_running_loop()
        self._settled = asyncio.Event()
        self._said_at: float | None = None

    async def open(
        self,
        stream: LiveStream,
        resolution: Resolution,
        operation: Operation,
        tenant: str,
        on_closed: Callable[[UsageRow], None],
    ) -> None:
        """Call right before the request is published, with no wait between them."""
        if not self._connection.connected:
            return  # neither of them will be
        row = UsageRow(
            id=stream.request_id,
            key=tenant,
            route=resolution.entry.key,
            model=resolution.model,
            gateway=self._gateway,
            started_at=self._clock.unix(),
        )
        self._entries[row.id] = Entry(row, stream, resolution, operation, on_closed)
        if len(self._entries) > ENTRIES_MAX:
            # Its worker closes it, as a rule; if not, it stays open.
            log.error("usage.row_forgotten", request_id=self._entries.pop(next(iter(self._entries))).row.id)
        await open_row(self._connection, row)

    def ended(self, stream: LiveStream) -> bool:
        """The stream is over here. Whether its last row is still to come."""
        entry = self._entries.get(stream.request_id)
        if entry is not None:
            entry.ended_at = self._loop.time()
        return entry is not None

    def on_row(self, _subject: str, data: bytes) -> None:
        """Somebody wrote a row of ours."""
        row = codec.decode_usage_row(data)
        entry = self._entries.get(row.id)
        if entry is None:
            return
        if not entry.is_ours(row):
            entry.contested = True
        elif row.ended is not None:
            if entry.contested:
                entry.heard = row
            else:
                self._close(row)

    async def on_connected(self) -> None:
        """Before the first request: somebody has to know where to look if we die."""
        await self._say_present()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = self._loop.time()
            try:
                due = self._said_at is None or now - self._said_at >= PRESENCE_S
                if due and self._connection.connected:
                    await self._say_present()
                await self._settle(now - SETTLE_S)
            except Exception:
                # The task's root: whatever the broker said, there is a next time.
                log.exception("usage.settling_failed")

    async def close(self) -> None:
        """Close what is open, as far as it goes in `LEAVE_S`; the rest is left to another gateway."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                # What has no worker waits for nobody.
                while any(entry.stream.worker is not None for entry in self._entries.values()):
                    await self._settled.wait()
        await self._settle(self._loop.time())
        if self._entries:
            log.warning("usage.rows_left_open", rows=len(self._entries))
        else:
            await self._presence.remove(self._gateway)

    async def _settle(self, ended_before: float) -> None:
        late = [
            entry for entry in self._entries.values() if entry.ended_at is not None and entry.ended_at <= ended_before
        ]
        for start in range(0, len(late), CLOSES_AT_ONCE):
            await asyncio.gather(*(self._close_ourselves(entry) for entry in late[start : start + CLOSES_AT_ONCE]))

    async def _close_ourselves(self, entry: Entry) -> None:
        if entry.stream.usage is None and entry.heard is None:
            entry.noted = await self._noted(entry)
        row = entry.closed(entry.row)
        if await close_row(self._connection, row, entry.closed, entry.stands) and row.id in self._entries:
            self._close(row)

    async def _noted(self, entry: Entry) -> UsageRow | None:
        """What the workers that accepted the request had sent and counted, by their checkpoints; None if nothing."""
        input_ = output = cost = 0
        for worker in set(entry.stream.workers):
            row = replace(entry.row, worker=worker)
            noted = with_checkpoint(row, await read_checkpoint(self._connection, row))
            input_, output, cost = input_ + noted.tokens.input, output + noted.tokens.output, cost + picos(noted.cost)
        if not input_ + output:
            return None
        return replace(entry.row, tokens=Tokens(input_, 0, output, estimated=True), cost=decimal(cost))

    def _close(self, row: UsageRow) -> None:
        entry = self._entries.pop(row.id)
        entry.on_closed(row)
        self._settled.set()
        self._settled.clear()

    async def _say_present(self) -> None:
        now = self._loop.time()
        opened_at = min((entry.stream.opened_at for entry in self._entries.values()), default=now)
        if await self._presence.put(GatewayPresence(self._gateway, now - opened_at)):
            self._said_at = now
