"""Reads all entries of a KV bucket at one moment.

nats-py marks the end of what was there with None, and now and then far too early: it requests from the server the
number of messages still to be delivered, and ignores those delivered and not yet read (js/kv.py 2.16, `watch`). A busy
gateway would take a full catalogue, or all API keys, for none. So the mark is ignored; each entry's count of the
rest is used.
"""

import asyncio
import contextlib
from typing import Protocol

from nats.errors import Error
from nats.js.kv import KeyValue


class Watcher(Protocol):
    """The part of nats-py's watcher that is used; `updates` raises `TimeoutError`."""

    async def updates(self, timeout: float) -> KeyValue.Entry | None: ...  # noqa: ASYNC109 - nats-py's


class KeyValueBucket(Protocol):
    """The part of nats-py's bucket that is used."""

    async def status(self) -> KeyValue.BucketStatus: ...


async def read(bucket: KeyValue, timeout_s: float) -> list[KeyValue.Entry]:
    """Everything in it, deletions apart. Raises nats-py's errors and `TimeoutError`."""
    async with asyncio.timeout(timeout_s):
        watcher = await bucket.watchall()
        try:
            entries = await read_to_end(bucket, watcher, timeout_s)
        finally:
            with contextlib.suppress(Error):
                await watcher.stop()  # type: ignore[no-untyped-call]
    return [entry for entry in entries if entry.operation is None]


async def read_to_end(bucket: KeyValueBucket, watcher: Watcher, timeout_s: float) -> list[KeyValue.Entry]:
    """The entries at the start of the watch, deletions included. Raises `TimeoutError`."""
    entries: list[KeyValue.Entry] = []
    while True:
        update = await watcher.updates(timeout=timeout_s)
        if update is not None:
            entries.append(update)
            if update.delta == 0:
                return entries
        elif (await bucket.status()).values == 0:
            return entries
