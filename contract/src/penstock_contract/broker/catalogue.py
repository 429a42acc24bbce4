"""The catalogue in NATS KV: written by the control plane, watched by gateways and workers."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import structlog
from nats.errors import Error
from nats.js.errors import BucketNotFoundError, NotFoundError

from penstock_contract import codec, subjects
from penstock_contract.broker.connection import Connection
from penstock_contract.catalogue import CatalogueEntry

RETRY_S = 0.5
CANCEL_AGAIN_S = 0.05

log = structlog.get_logger("penstock.broker")


class CatalogueWatch:
    """Feeds `replace` with the whole catalogue after every (re)connect and `put` with each change after that.

    A new watch after every reconnect, as nats-py's own does not come back when the server lost its consumer.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        replace: Callable[[dict[str, CatalogueEntry]], None],
        put: Callable[[str, CatalogueEntry | None], None],
    ) -> None:
        self._connection = connection
        self._replace = replace
        self._put = put
        self._task: asyncio.Task[None] | None = None
        connection.on_connected(self._restart)

    async def close(self) -> None:
        # Again if need be: nats-py waits with `asyncio.wait_for`, which on 3.11 swallows a cancellation that meets its
        # result (python/cpython#86296), and the broker's answer to a buffered request comes right with the reconnect.
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)

    async def _restart(self) -> None:
        await self.close()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self._watch()
            except (Error, OSError, BucketNotFoundError, NotFoundError, TimeoutError) as error:
                log.info("catalogue.not_available", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _watch(self) -> None:
        bucket = await self._connection.client.jetstream().key_value(subjects.CATALOGUE_BUCKET)
        watcher = await bucket.watchall()
        snapshot: dict[str, CatalogueEntry] | None = {}
        try:
            # nats-py's iterator ends for good after a quiet while; `updates` with a timeout says which it was.
            while True:
                try:
                    update = await watcher.updates(timeout=60)  # type: ignore[no-untyped-call]
                except TimeoutError:
                    continue
                if update is None:
                    if snapshot is not None:
                        self._replace(snapshot)
                        snapshot = None
                    continue
                entry = _decode(update.key, update.value if update.operation is None else None)
                if snapshot is None:
                    self._put(update.key, entry)
                elif entry is not None:
                    snapshot[update.key] = entry
        finally:
            with contextlib.suppress(Error):
                await watcher.stop()  # type: ignore[no-untyped-call]


def _decode(key: str, value: bytes | None) -> CatalogueEntry | None:
    if value is None:
        return None
    try:
        return codec.decode_catalogue_entry(value)
    except msgspec.DecodeError as error:
        log.error("catalogue.entry_unreadable", key=key, detail=str(error)[:200])  # noqa: TRY400 - the detail says it
        return None
