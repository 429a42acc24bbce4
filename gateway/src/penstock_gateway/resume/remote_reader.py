"""Follows streams that another gateway began, for the readers here.

One task per reader, not per event: it requests the stream from its gateway every `ELSEWHERE_S`, so that the stream
counts as read there, and attaches again while no worker has sent a frame, as the request may still wait in the queue.
"""

import asyncio

import structlog

from penstock_broker.connection import Connection
from penstock_broker.stores.streams import StreamStore
from penstock_broker.stores.usage import read_row
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.descriptor import FindStream, StreamDescriptor
from penstock_gateway.resume.stream_finder import STOPPED, StreamFinder
from penstock_gateway.streaming.control_messages import ControlMessages
from penstock_gateway.streaming.reader_count import ELSEWHERE_S
from penstock_gateway.streaming.stream import Stream

ATTACH_EVERY_S = 0.5
LOST_AFTER_S = 15.0
"""A stream that had a first event, without a gateway and without a frame for this long, is lost: its worker would have
been found."""
WORKER_LOST = ErrorDetail("worker_lost", "the stream's gateway and worker were lost; send the request again")

log = structlog.get_logger("penstock.gateway")


class RemoteReaders:
    """`leave` each reader that was passed to `follow`."""

    def __init__(self, finder: StreamFinder, control: ControlMessages, connection: Connection) -> None:
        self._connection = connection
        self._store = StreamStore(connection)
        self._finder = finder
        self._control = control
        self._tasks: dict[Stream, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def follow(self, reader: Stream, descriptor: StreamDescriptor) -> None:
        self._tasks[reader] = asyncio.create_task(self._follow(reader, descriptor))

    def leave(self, reader: Stream) -> None:
        if (task := self._tasks.pop(reader, None)) is not None:
            task.cancel()

    async def waits(self, descriptor: StreamDescriptor) -> bool:
        """True if the request of a lost gateway may still wait for its first event: then it has no usage record.

        Raises `broker_unavailable`.
        """
        row = await read_row(self._connection, descriptor.route, descriptor.gateway, descriptor.id)
        return row is None and await self._store.get(descriptor.tenant, descriptor.id) is not None

    async def _follow(self, reader: Stream, descriptor: StreamDescriptor) -> None:
        loop = asyncio.get_running_loop()
        wanted = FindStream(descriptor.id, descriptor.tenant)
        found_at = loop.time()
        kept = reader.protocol.next_seq
        was_gone = False
        while not reader.done.done():
            await asyncio.sleep(ATTACH_EVERY_S if reader.protocol.next_seq == kept else ELSEWHERE_S / 2)
            attached = reader.protocol.next_seq != kept
            now = loop.time()
            try:
                found = await self._finder.find(wanted)
                if found is None and not attached and now - found_at > LOST_AFTER_S and await self.waits(descriptor):
                    found_at = now
            except PenstockError:
                # The supervisor ends the streams of a broker that is away for too long.
                found_at = loop.time()
                continue
            if found is not None and found.error is not None:
                reader.fail(found.error)
                return
            if attached or (found is not None and found.descriptor is not None and not found.ended):
                found_at = now
            if attached:
                continue
            gone = found is not None and found.descriptor is None
            if gone and was_gone:
                # Without a worker no frame has the end. At the first time, a worker's frame may be under way.
                reader.fail(STOPPED)
                return
            was_gone = gone
            if now - found_at > LOST_AFTER_S:
                log.warning("gateway.stream_not_found_again", request_id=descriptor.id)
                reader.fail(WORKER_LOST)
                return
            self._control.attach(reader, None if found is None else found.worker)
