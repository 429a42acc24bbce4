"""All that a KV bucket holds at one moment.

nats-py marks the end of what was there with None, and now and then far too early: it asks the server what is still to
be delivered, and takes what was delivered and not yet read for nothing (js/kv.py 2.16, `watch`). A busy gateway would
take a full catalogue, or all API keys, for none. So the mark is not believed, but what each entry says is left.
"""

import asyncio
import contextlib
from typing import Protocol

from nats.errors import Error
from nats.js.kv import KeyValue


class Watcher(Protocol):
    """What is needed of nats-py's; `updates` raises `TimeoutError`."""

    async def updates(self, timeout: float) -> KeyValue.Entry | None: ...  # noqa: ASYNC109 - nats-py's


class KeyValueBucket(Protocol):
    """What is needed of nats-py's."""

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
    """What was there when the watch began; deletions are among it. Raises `TimeoutError`."""
    entries: list[KeyValue.Entry] = []
    while True:
        update = await watcher.updates(timeout=timeout_s)
        if update is not None:
            entries.append(update)
            if update.delta == 0:
                return entries
        elif (await bucket.status()).values == 0:
            return entries
