"""Opens the usage records that no worker opens in time, and closes those that no worker closes.

    1. The worker opens the row at the provider's first event. The gateway opens it if no worker has accepted the
       request after `OPENED_AFTER_S`, if there is no row after `CLAIMED_AFTER_S`, after a reconnect (a broker that
       keeps its queues in memory and was restarted has lost them), and before it withdraws the request. It repeats
       that until the broker has confirmed it.
    2. The worker closes it at the end with the provider's count. The gateway receives that row.
    3. A row that is not closed `CLOSE_AFTER_S` after its stream ended here (no worker took it, its worker crashed) is
       closed with the gateway's own count, or that of its worker's checkpoint. A provider's count wins over any
       estimate; of two estimates the larger one counts.

If this gateway crashes before there is a row, the request is still in its queue or with a worker, which closes its row.

A worker that was only disconnected closes the row once more when it is back, and its count replaces the gateway's.
Where more than one worker had the request, only the row of the one that served the stream counts, which only the
gateway can decide. If other workers wrote rows, the gateway checks once more, also a row that was closed.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from penstock_broker.connection import Connection
from penstock_broker.stores.gateway_presence import GatewayPresenceStore
from penstock_broker.stores.usage import close_row, open_row, read_checkpoint
from penstock_contract import codec
from penstock_contract.catalogue import Resolution
from penstock_contract.request.operations import Operation
from penstock_contract.usage.money import decimal, picos
from penstock_contract.usage.record import OPENED_AFTER_S, GatewayPresence, Tokens, UsageRow, with_checkpoint
from penstock_gateway.telemetry.stream_record import StreamRecord
from penstock_gateway.usage.open_usage import OpenUsage, Recorded
from penstock_runtime.clock import Clock

CLAIMED_AFTER_S = 5.0
CLOSE_AFTER_S = 3.0
"""A worker's final row takes a few milliseconds; longer if its broker connection broke."""
TICK_S = 0.5
PRESENCE_S = 10.0
LEAVE_S = 2.0
CLOSES_AT_ONCE = 64
OPEN_MAX = 200_000

log = structlog.get_logger("penstock.gateway")


class UsageRecorder:
    """`run` must be running; call `close` afterwards."""

    def __init__(self, connection: Connection, clock: Clock, *, gateway: str) -> None:
        self._connection = connection
        self._clock = clock
        self._gateway = gateway
        self._presence = GatewayPresenceStore(connection)
        self._open: dict[str, OpenUsage] = {}
        self._without_row: dict[str, float] = {}
        """The requests without a row, and when each was opened, the oldest first."""
        self._reconnected = False
        """True if the requests without a row are to get theirs at the next tick."""
        self._row_closed = asyncio.Event()
        self._presence_at: float | None = None

    def open(
        self,
        source: Recorded,
        resolution: Resolution,
        operation: Operation,
        on_closed: Callable[[UsageRow], None],
    ) -> None:
        """Call immediately before the request is published."""
        if not self._connection.connected:
            return  # the request will not be published either
        stream = source.record()
        row = UsageRow(
            id=stream.request_id,
            key=stream.tenant,
            route=resolution.entry.key,
            model=resolution.model,
            gateway=self._gateway,
            started_at=self._clock.unix(),
        )
        self.add(OpenUsage(row, source, resolution, operation, on_closed))
        self._without_row[row.id] = stream.opened_at

    def add(self, usage: OpenUsage) -> None:
        """Expect rows of this request."""
        self._open[usage.row.id] = usage
        if len(self._open) > OPEN_MAX:
            # The worker closes it, as a rule; if not, it stays open.
            dropped = next(iter(self._open))
            del self._open[dropped]
            self._without_row.pop(dropped, None)
            log.error("usage.row_forgotten", request_id=dropped)

    def end(self, stream: StreamRecord) -> bool:
        """The stream has ended here. True if its final row has not arrived yet."""
        usage = self._open.get(stream.request_id)
        if usage is not None:
            usage.end(stream, asyncio.get_running_loop().time())
        return usage is not None

    def on_row(self, _subject: str, data: bytes) -> None:
        """A worker or this gateway wrote a row of a request of this gateway."""
        row = codec.decode_usage_row(data)
        self._without_row.pop(row.id, None)
        usage = self._open.get(row.id)
        if usage is None:
            return
        if not usage.is_ours(row):
            usage.contested = True
        elif row.ended is not None:
            if usage.contested:
                usage.final = row
            else:
                self._close(row)

    async def on_connected(self) -> None:
        """Before the first request: if this gateway crashes, another one finds its open rows by its presence."""
        self._reconnected = True
        await self._put_presence()

    async def open_row(self, request_id: str) -> None:
        """Open the request's row unless a row of it has arrived: before its message is deleted from the queue.

        If the broker does not confirm it, `run` repeats it.
        """
        if request_id in self._without_row:
            await self._open_row(self._open[request_id].row)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            try:
                due = self._presence_at is None or now - self._presence_at >= PRESENCE_S
                if due and self._connection.connected:
                    await self._put_presence()
                await self._open_overdue(now)
                await self._close_overdue(now - CLOSE_AFTER_S)
            except Exception:
                # The task's root: a broker error must not end it.
                log.exception("usage.settling_failed")

    async def close(self) -> None:
        """Close the open rows, within `LEAVE_S` for those of workers; another gateway closes the rest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                # Requests without a worker need no wait.
                while any(usage.stream.worker is not None for usage in self._open.values()):
                    await self._row_closed.wait()
        await self._close_overdue(asyncio.get_running_loop().time())
        if self._open:
            log.warning("usage.rows_left_open", rows=len(self._open))
        else:
            await self._presence.remove(self._gateway)

    async def _open_overdue(self, now: float) -> None:
        if not self._connection.connected:
            return
        late: list[UsageRow] = []
        reconnected, self._reconnected = self._reconnected, False
        for id_, opened_at in self._without_row.items():
            if now - opened_at < OPENED_AFTER_S and not reconnected:
                break
            usage = self._open[id_]
            if reconnected or usage.stream.worker is None or now - opened_at >= CLAIMED_AFTER_S:
                late.append(usage.row)
        for start in range(0, len(late), CLOSES_AT_ONCE):
            if not all(await asyncio.gather(*map(self._open_row, late[start : start + CLOSES_AT_ONCE]))):
                # The rest at the next tick: a broker that does not confirm delays closing and presence, too.
                self._reconnected = self._reconnected or reconnected
                break

    async def _open_row(self, row: UsageRow) -> bool:
        """False if the broker has not confirmed it."""
        confirmed = await open_row(self._connection, row)
        if confirmed:
            self._without_row.pop(row.id, None)
        return confirmed

    async def _close_overdue(self, ended_before: float) -> None:
        late = [usage for usage in self._open.values() if usage.ended_at is not None and usage.ended_at <= ended_before]
        for start in range(0, len(late), CLOSES_AT_ONCE):
            await asyncio.gather(*(self._close_here(usage) for usage in late[start : start + CLOSES_AT_ONCE]))

    async def _close_here(self, usage: OpenUsage) -> None:
        if usage.stream.usage is None and usage.final is None:
            usage.noted = await self._noted(usage)
        row = usage.closed(usage.row)
        if await close_row(self._connection, row, usage.closed, usage.is_final) and row.id in self._open:
            self._close(row)

    async def _noted(self, usage: OpenUsage) -> UsageRow | None:
        """The row with the counts of the workers that accepted the request, by their checkpoints; None without any."""
        input_ = output = cost = 0
        for worker in set(usage.stream.workers):
            row = replace(usage.row, worker=worker)
            noted = with_checkpoint(row, await read_checkpoint(self._connection, row))
            input_, output, cost = input_ + noted.tokens.input, output + noted.tokens.output, cost + picos(noted.cost)
        if not input_ + output:
            return None
        return replace(usage.row, tokens=Tokens(input_, 0, output, estimated=True), cost=decimal(cost))

    def _close(self, row: UsageRow) -> None:
        usage = self._open.pop(row.id)
        self._without_row.pop(row.id, None)
        usage.on_closed(row)
        self._row_closed.set()
        self._row_closed.clear()

    async def _put_presence(self) -> None:
        now = asyncio.get_running_loop().time()
        opened_at = min((usage.stream.opened_at for usage in self._open.values()), default=now)
        if await self._presence.put(GatewayPresence(self._gateway, now - opened_at)):
            self._presence_at = now
