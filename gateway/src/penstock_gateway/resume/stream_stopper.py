"""Stops streams of any gateway by their public id, and deletes what is kept of them."""

import asyncio
import contextlib

from penstock_broker.stores.streams import StreamStore
from penstock_contract.errors import PenstockError
from penstock_contract.stream.descriptor import FindStream, FoundStream, StreamDescriptor
from penstock_gateway.resume.stream_finder import STOPPED, StreamFinder, not_found
from penstock_gateway.streaming.control_messages import ControlMessages

STORING_S = 3.0
"""A worker's write to the store has succeeded or failed after this time."""


class StreamStopper:
    def __init__(self, finder: StreamFinder, store: StreamStore, control: ControlMessages) -> None:
        self._finder = finder
        self._store = store
        self._control = control
        self._deleting: set[asyncio.Task[None]] = set()

    async def stop(self, id_: str, tenant: str, *, delete: bool = True) -> None:
        """End a stream of the tenant, for all its readers. Raises `stream_not_found`.

        Without `delete`, what is stored of it stays.
        """
        found = await self._finder.find(FindStream(id_, tenant, stop=True)) or FoundStream()
        descriptor = found.descriptor or await self._store.get(tenant, id_)
        if descriptor is None:
            raise not_found(id_)
        kept = descriptor.policy is not None and descriptor.policy.keep_s > 0
        if found.descriptor is None or (found.ended and kept and delete):
            # Its gateway is lost, or its worker has the last frames and has not stored them yet.
            self._control.stop_elsewhere(descriptor.route, descriptor.stream, STOPPED)
        if descriptor.policy is not None and delete:
            await self._store.delete(descriptor)
        if kept and delete:
            task = asyncio.create_task(self._delete_again(descriptor))
            self._deleting.add(task)
            task.add_done_callback(self._deleting.discard)

    async def _delete_again(self, descriptor: StreamDescriptor) -> None:
        """Delete the frames that the worker was storing when it received the stop."""
        await asyncio.sleep(STORING_S)
        with contextlib.suppress(PenstockError):
            await self._store.delete_frames(descriptor)
