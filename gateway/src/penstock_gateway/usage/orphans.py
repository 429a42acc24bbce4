"""Closes the usage records that a lost gateway left open; the first gateway that detects the loss does it.

Each gateway stores its presence. A gateway whose presence is stored and whose heartbeats have been missing for
`SILENCE_MAX_S` (`peer_liveness`) is lost. By then its workers have ended its requests and written their last rows; no
other process closes the open ones. A stream with grace or detach goes on without its gateway: its worker, which is
alive and lists it in its checkpoints, closes its row.
"""

import asyncio
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from penstock_broker.connection import Connection
from penstock_broker.stores.gateway_presence import GatewayPresenceStore
from penstock_broker.stores.usage import close_row, read_checkpoint, read_rows
from penstock_contract import codec, subjects
from penstock_contract.usage.record import GATEWAY_LOST, Checkpoint, UsageRow, choose_tokens, with_checkpoint
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import GIVEN_UP_S, PeerState, PeerTable

EVERY_S = 5.0
REVISITED_S = 60.0
"""A worker may still start a queued request of the lost gateway and open its row again: so long its rows are checked
again."""
MARGIN_S = 60.0
"""Rows are read from this long before the gateway's oldest open request."""

log = structlog.get_logger("penstock.gateway")


def orphan(row: UsageRow, checkpoint: Checkpoint | None) -> UsageRow:
    """The final row of an orphaned request, with the counts of its worker's last checkpoint."""
    noted = with_checkpoint(row, checkpoint)
    if choose_tokens(row.tokens, noted.tokens) is row.tokens:
        noted = row
    return replace(noted, ended=GATEWAY_LOST)


class OrphanCloser:
    """`run` must be running. `is_alive(route, worker)` is True while the worker sends heartbeats."""

    def __init__(
        self,
        connection: Connection,
        pause_detector: PauseDetector,
        is_alive: Callable[[str, str], bool],
        *,
        gateway: str,
    ) -> None:
        self._is_alive = is_alive
        self._connection = connection
        self._gateway = gateway
        self._presence = GatewayPresenceStore(connection)
        self._connected_at: float | None = None
        self._pause_detector = pause_detector
        self._gateways: PeerTable[str, None] = PeerTable(pause_detector)
        self._gone_at: dict[str, float] = {}

    def on_heartbeat(self, _subject: str, data: bytes) -> None:
        self._gateways.record_heartbeat(
            codec.decode_gateway_heartbeat(data).gateway, None, asyncio.get_running_loop().time()
        )

    def gateways(self) -> list[str]:
        """Every gateway that sends heartbeats."""
        now = asyncio.get_running_loop().time()
        return [gateway for gateway, _ in self._gateways.in_state(PeerState.ALIVE, now)]

    async def on_connected(self) -> None:
        """No heartbeat arrived before."""
        self._connected_at = asyncio.get_running_loop().time()
        self._gateways.rebase(self._connected_at)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            if not self._connection.connected:
                continue
            try:
                await self._check()
            except Exception:
                # The task's root: a broker error must not end it.
                log.exception("usage.reaping_failed")

    async def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        self._gateways.take_lost(now)
        if self._connected_at is None or self._pause_detector.elapsed_s(self._connected_at, now) < GIVEN_UP_S:
            return
        known = await self._presence.all()
        gone = {name for name in known if self._gateways.get(name) is None} - {self._gateway}
        self._gone_at = {name: self._gone_at.get(name, now) for name in gone}
        for name in gone:
            await self._close_rows(name, known[name], final=now - self._gone_at[name] >= REVISITED_S)

    async def _close_rows(self, lost: str, oldest_at: float, *, final: bool) -> None:
        left: dict[str, UsageRow] = {}
        since = max(0.0, oldest_at - MARGIN_S)
        async for row in read_rows(self._connection, since=since, filter_=subjects.usage_filter(lost)):
            if row.ended is None:
                left[row.id] = row
            else:
                left.pop(row.id, None)
        checkpoints = {row.worker: await read_checkpoint(self._connection, row) for row in left.values() if row.worker}
        orphans = [row for row in left.values() if not self._is_served(row, checkpoints.get(row.worker))]
        closed = [await self._close(row, checkpoints.get(row.worker)) for row in orphans]
        if orphans:
            log.warning("usage.gateway_gone", gateway=lost, rows_closed=sum(closed), rows_left=len(left))
        elif final and not left:
            await self._presence.remove(lost)

    def _is_served(self, row: UsageRow, checkpoint: Checkpoint | None) -> bool:
        if checkpoint is None or not self._is_alive(row.route, row.worker):
            return False
        return any(one.id == row.id for one in checkpoint.open)

    async def _close(self, row: UsageRow, checkpoint: Checkpoint | None) -> bool:
        return await close_row(self._connection, orphan(row, checkpoint), lambda found: orphan(found, checkpoint))
