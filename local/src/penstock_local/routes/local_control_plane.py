"""The control plane of `penstock dev`: applies the plan to the broker's queues and catalogue, and receives heartbeats.

Level-triggered: any change or reconnect applies everything again, so that a restarted, empty nats-server is filled
like a new one.
"""

import asyncio
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, NoReturn

import msgspec
import structlog

from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_broker.queues import queue_shares
from penstock_broker.stores.usage_storage import UsageBounds
from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_local.disk_space import StoreSizes
from penstock_local.process.nats_server import MEMORY_BYTES_MAX
from penstock_runtime.cancellation import cancel_and_wait

RETRY_S = 0.25

log = structlog.get_logger("penstock.dev")


def send_logs(sink: Callable[[str], None]) -> None:
    """Send this process's log events to `sink`, one JSON object each, like those of the children."""

    def send(_logger: object, level: str, event: MutableMapping[str, Any]) -> NoReturn:
        sink(msgspec.json.encode({"level": level, **event}, enc_hook=repr).decode())
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.processors.format_exc_info, send])


class RouteController:
    """Call `close` after `start`.

    `on_heartbeat` gets the key of a route whose worker sent a heartbeat; `on_applied` is called when
    the broker has everything that is wanted, with True if it had lost it before.
    """

    def __init__(
        self,
        nats_url: str,
        sizes: StoreSizes,
        *,
        on_heartbeat: Callable[[str], None],
        on_applied: Callable[[bool], None],
        credentials: str | None = None,
    ) -> None:
        self._connection = Connection(nats_url, "penstock-dev", inbox_prefix="_INBOX_dev", credentials=credentials)
        self._plane = ControlPlane(
            self._connection,
            usage=UsageBounds(rows_bytes_max=sizes.usage, gateways_bytes_max=sizes.gateways),
            keys_bytes_max=sizes.keys,
            limits_bytes_max=sizes.limits,
            queues_bytes_max=queue_shares.of_memory(MEMORY_BYTES_MAX),
        )
        self._on_heartbeat = on_heartbeat
        self._on_applied = on_applied
        self._was_set_up = False
        self._wanted: dict[str, CatalogueEntry] = {}
        self._applied: dict[str, CatalogueEntry] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connection.on_connected(self._apply_again)
        self._connection.listen(subjects.ALL_WORKER_HEARTBEATS, self._on_worker_heartbeat)

    async def start(self, *, wait: bool = True) -> None:
        await self._connection.start(wait=wait)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            await cancel_and_wait(self._task)
        await self._connection.close()

    @property
    def applied(self) -> bool:
        return self._applied == self._wanted

    def want(self, entries: Sequence[CatalogueEntry]) -> None:
        """Replaces what was wanted before; takes effect as soon as the broker is there."""
        self._wanted = {entry.key: entry for entry in entries}
        self._changed.set()

    async def _apply_again(self) -> None:
        self._applied = {}
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._apply()
            except Exception as error:  # noqa: BLE001 - the task's root; the broker went away, under any of its names
                log.info("dev.apply_failed", error=type(error).__name__, detail=str(error)[:200])
                await asyncio.sleep(RETRY_S)
                self._changed.set()

    async def _apply(self) -> None:
        from_nothing = not self._applied
        if from_nothing:
            await self._plane.prepare()
        stored = await self._plane.route_keys() if from_nothing else set(self._applied)
        for key in stored - self._wanted.keys():
            await self._plane.remove(*key.split(".", 1))
            self._applied.pop(key, None)
        for key, entry in self._wanted.items():
            if self._applied.get(key) != entry:
                await self._plane.apply(entry)
                self._applied[key] = entry
        await self._plane.mark_complete()
        self._on_applied(from_nothing and self._was_set_up)
        self._was_set_up = True

    def _on_worker_heartbeat(self, subject: str, _data: bytes) -> None:
        self._on_heartbeat(".".join(subject.split(".")[2:4]))
