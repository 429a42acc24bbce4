"""Watches a KV bucket: all of it after every (re)connect, then each change."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog
from nats.errors import Error
from nats.js.errors import BucketNotFoundError, NotFoundError
from nats.js.kv import KeyValue

from penstock_broker.connection import Connection
from penstock_broker.log_throttle import LogThrottle
from penstock_broker.stores import kv_snapshot
from penstock_runtime.cancellation import cancel_and_wait

RETRY_S = 0.5
SAME_BUCKET_S = 5.0
"""How often to make sure that the bucket is still the one that is watched: a new one begins to count anew, and a watch
of the old one would wait for a number that is reached only much later."""

Value = TypeVar("Value")

log = structlog.get_logger("penstock.broker")


class BucketWatch(Generic[Value]):
    """Feeds `replace` with all of `bucket` after every (re)connect and `put` with each change after that.

    `decode` gets key and value, and returns None for what cannot be read: then it is as if it were not there. `deleted`
    is called when a watched bucket was deleted, within `SAME_BUCKET_S`, also during a disconnect.
    A new watch after every reconnect, as nats-py's own does not come back when the server lost its consumer.
    """

    def __init__(
        self,
        connection: Connection,
        bucket: str,
        decode: Callable[[str, bytes], Value | None],
        *,
        replace: Callable[[dict[str, Value]], None],
        put: Callable[[str, Value | None], None],
        deleted: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._bucket = bucket
        self._decode = decode
        self._replace = replace
        self._put = put
        self._deleted = deleted
        self._throttle = LogThrottle()
        self._watched = False
        self._task: asyncio.Task[None] | None = None
        connection.on_connected(self._restart)

    async def close(self) -> None:
        # The broker's answer to a buffered request arrives with the reconnect, which is when this is called.
        if self._task is not None:
            await cancel_and_wait(self._task)

    async def _restart(self) -> None:
        await self.close()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self._watch()
            except (Error, OSError, BucketNotFoundError, NotFoundError, TimeoutError) as error:
                if self._watched and isinstance(error, NotFoundError):
                    self._watched = False
                    self._deleted()
                kind = type(error).__name__
                if (times := self._throttle.due(kind, asyncio.get_running_loop().time())) is not None:
                    log.info("broker.bucket_not_available", bucket=self._bucket, error=kind, times=times)
                await asyncio.sleep(RETRY_S)

    async def _watch(self) -> None:
        """Until the bucket is another one."""
        bucket = await self._connection.client.jetstream().key_value(self._bucket)
        created = await _created(bucket)
        watcher = await bucket.watchall()
        loop = asyncio.get_running_loop()
        try:
            there = await kv_snapshot.read_to_end(bucket, watcher, SAME_BUCKET_S)
            values = {entry.key: self._value(entry) for entry in there}
            self._throttle.reset()
            self._watched = True
            self._replace({key: value for key, value in values.items() if value is not None})
            same_until = loop.time() + SAME_BUCKET_S
            # nats-py's iterator ends after a quiet period; `updates` with a timeout distinguishes that from the end.
            while True:
                if loop.time() >= same_until:
                    if await self._is_another(bucket, created):
                        return
                    same_until = loop.time() + SAME_BUCKET_S
                try:
                    update = await watcher.updates(timeout=SAME_BUCKET_S)  # type: ignore[no-untyped-call]
                except TimeoutError:
                    continue
                if update is not None:
                    self._put(update.key, self._value(update))
        finally:
            with contextlib.suppress(Error):
                await watcher.stop()  # type: ignore[no-untyped-call]

    def _value(self, entry: KeyValue.Entry) -> Value | None:
        return self._decode(entry.key, entry.value or b"") if entry.operation is None else None

    async def _is_another(self, bucket: KeyValue, created: dt.datetime | None) -> bool:
        """Return whether the bucket was created again after the watch. Raises `NotFoundError` if there is none."""
        return await _created(bucket) != created


async def _created(bucket: KeyValue) -> dt.datetime | None:
    """The creation time of the present bucket of this name. Raises `NotFoundError`."""
    return (await bucket.status()).stream_info.created
