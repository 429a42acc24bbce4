"""Opens streams that can be read again, reads them again, and stops them.

A stream that ends with its connection is opened by the dispatcher and only noted in the table. One that may outlive its
connection is a stream of its own, without output, that holds the request's limits and usage record until its end; its
client is the first of its readers, and each reader has its own renderer, output and timeouts.
"""

import asyncio
from collections.abc import Callable, Iterable

from msgspec import UNSET, UnsetType

from penstock_broker.connection import Connection
from penstock_broker.queue import QueuedMessage
from penstock_broker.stores.streams import StreamStore
from penstock_broker.stores.usage import read_row
from penstock_contract.catalogue import Resolution
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.stream.descriptor import DisconnectPolicy, FindStream, FoundStream, Rendering, StreamDescriptor
from penstock_contract.stream.frames import Frame
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.resume.disconnect_policy import disconnect_policy
from penstock_gateway.resume.event_skipper import NoOutput
from penstock_gateway.resume.prepared_request import PreparedRequest
from penstock_gateway.resume.progress import ProgressReports, progress_requested
from penstock_gateway.resume.readers import Readers
from penstock_gateway.resume.recorded_end import recorded_error
from penstock_gateway.resume.remote_reader import WORKER_LOST, RemoteReaders
from penstock_gateway.resume.rendering import fed, renderer_after
from penstock_gateway.resume.stream_finder import StreamFinder, not_found
from penstock_gateway.resume.stream_stopper import StreamStopper
from penstock_gateway.resume.stream_table import StreamTable
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.control_messages import ControlMessages
from penstock_gateway.streaming.dispatcher import Dispatcher
from penstock_gateway.streaming.open_stream import OpenStream
from penstock_gateway.streaming.registry import StreamRegistry
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.stream import Stream

DESCRIPTOR_S = 60.0
"""A descriptor without frames outlives the longest request by this: as long as its worker replays it."""
FIRST_FRAME_S = 2.0
"""A worker that has the frames of an ended stream, or of one without a gateway, sends the first within this time."""
NO_OUTPUT = NoOutput()


class ResumableStreams:
    """`settings` and `close` are as of the dispatcher, for `EventStream`."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        registry: StreamRegistry,
        table: StreamTable,
        finder: StreamFinder,
        remote: RemoteReaders,
        control: ControlMessages,
        connection: Connection,
        progress: ProgressReports,
    ) -> None:
        self._dispatcher = dispatcher
        self._registry = registry
        self._table = table
        self._readers = Readers(registry, table)
        self._finder = finder
        self._remote = remote
        self._control = control
        self._connection = connection
        self._store = StreamStore(connection)
        self._stopper = StreamStopper(finder, self._store, control)
        self._progress = progress
        self._owners: set[asyncio.Task[None]] = set()

    @property
    def settings(self) -> GatewaySettings:
        return self._dispatcher.settings

    async def open(
        self,
        resolution: Resolution,
        operation: Operation,
        rendering: Rendering,
        context: RequestContext,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        progress_after_s: float | None = None,
        policy: DisconnectPolicy | UnsetType | None = UNSET,
        renderer: Renderer | None = None,
    ) -> OpenStream:
        """Queue the request and wait for its first event. Raises `PenstockError`.

        `progress_after_s`: a client that has not requested reports gets them after this long in the queue. Errors
        before are HTTP statuses. `policy` replaces the one of the route and the headers, `renderer` the dialect's.
        """
        policy = disconnect_policy(headers, resolution.entry.spec.streams) if policy is UNSET else policy
        after_s = 0.0 if progress_requested(headers) else progress_after_s
        begun = PreparedRequest(resolution, operation, rendering, context, after_s)
        renderer = renderer or renderer_after(context.request_id, rendering, 0)
        if policy is None:
            return await self._open_bound(begun, renderer)
        return await self._open_lasting(begun, renderer, policy)

    async def _open_bound(self, begun: PreparedRequest, renderer: Renderer) -> OpenStream:
        """A stream that ends with its connection."""

        async def add(stream: Stream) -> None:
            self._table.add(stream, begun.rendering)
            begun.start_progress(stream, stream)

        try:
            opened = await self._dispatcher.open(
                begun.resolution,
                begun.operation,
                renderer,
                begun.context,
                bounded=begun.bounded,
                on_registered=add,
            )
        except BaseException:
            self._table.delete(begun.context.request_id)
            raise
        if opened.message is not None and begun.reports(opened.stream):
            self._progress.report(opened.stream, opened.stream, opened.message, renderer)
        return opened

    async def _open_lasting(self, begun: PreparedRequest, renderer: Renderer, policy: DisconnectPolicy) -> OpenStream:
        """A stream that may outlive its connection: its client is the first reader."""
        reader: Stream | None = None

        def read(descriptor: StreamDescriptor, owner: Stream) -> None:
            nonlocal reader
            reader = self._readers.open(descriptor, renderer)
            begun.start_progress(owner, reader)

        try:
            owner, message = await self._begin_owner(begun, policy, read)
        except BaseException:
            if reader is not None:
                self._registry.remove(reader)
            raise
        assert reader is not None
        opened = OpenStream(reader, begun.resolution, None, begun.context.receive, collected=False)
        try:
            await reader.first
            if opened.disconnect.done():
                raise PenstockError("cancelled", "the client disconnected")  # noqa: TRY301
        except BaseException:
            self.close(opened)
            raise
        if begun.reports(owner):
            self._progress.report(owner, reader, message, renderer)
        return opened

    async def begin_detached(
        self, resolution: Resolution, operation: Operation, rendering: Rendering, context: RequestContext
    ) -> str:
        """Queue a request that nothing reads yet; returns its stream's id. Raises `PenstockError`."""
        keep_s = resolution.entry.spec.streams.keep_seconds
        if not keep_s:
            raise PenstockError("invalid_request", "this model's route keeps no answers: set spec.streams.keepSeconds")
        begun = PreparedRequest(resolution, operation, rendering, context, progress_after_s=None)
        await self._begin_owner(begun, DisconnectPolicy(None, keep_s), lambda *_: None)
        return context.request_id

    async def _begin_owner(
        self,
        begun: PreparedRequest,
        policy: DisconnectPolicy,
        on_registered: Callable[[StreamDescriptor, Stream], None],
    ) -> tuple[Stream, QueuedMessage]:
        """Queue the request of a stream that is held until its end. `on_registered` is called before that."""

        async def add(owner: Stream) -> None:
            self._table.add(owner, begun.rendering)
            descriptor = self._table.descriptor(owner, begun.rendering)
            on_registered(descriptor, owner)
            await self._store.put(descriptor, policy.keep_s + owner.limits.request_timeout_seconds + DESCRIPTOR_S)

        try:
            owner, message = await self._dispatcher.begin(
                begun.resolution,
                begun.operation,
                NO_OUTPUT,
                begun.context,
                bounded=begun.bounded,
                policy=policy,
                on_registered=add,
            )
        except BaseException:
            self._table.delete(begun.context.request_id)
            raise
        task = asyncio.create_task(self._own(owner, begun.resolution, message))
        self._owners.add(task)
        task.add_done_callback(self._owners.discard)
        return owner, message

    async def find(self, id_: str, context: RequestContext) -> tuple[StreamDescriptor, FoundStream | None]:
        """A stream of the request's key, and its gateway's reply. Raises `stream_not_found`."""
        tenant = context.principal.tenant
        found = await self._finder.find(FindStream(id_, tenant))
        descriptor = found.descriptor if found is not None else None
        if descriptor is None:
            descriptor = await self._store.get(tenant, id_)
        if descriptor is None:
            raise not_found(id_)
        return descriptor, found

    async def read(
        self, id_: str, after: int, context: RequestContext, *, renderer: Renderer | None = None
    ) -> OpenStream:
        """Read a stream of the request's key again, without its first `after` events. Raises `stream_not_found`.

        `renderer` replaces the dialect's.
        """
        descriptor, found = await self.find(id_, context)
        frames: list[Frame] = []
        if (found is None or found.error is None) and descriptor.policy is not None and descriptor.policy.keep_s:
            frames = await self._store.frames(descriptor)
        reader = self._readers.open(descriptor, renderer or renderer_after(id_, descriptor.rendering, after))
        opened = OpenStream(reader, None, None, context.receive, collected=False)
        try:
            if not fed(reader, frames) and not await self._attached(reader, descriptor, found):
                raise not_found(id_)  # noqa: TRY301
        except BaseException:
            self.close(opened)
            raise
        reader.commit()
        return opened

    async def _attached(self, reader: Stream, descriptor: StreamDescriptor, found: FoundStream | None) -> bool:
        """Read on from the worker. False if the stream is not there any more; `found` is its gateway's reply."""
        if found is not None and found.error is not None:
            reader.commit()
            reader.fail(found.error)
            return True
        if found is not None and found.descriptor is None:
            # It ended so long ago that its gateway has removed it from the table.
            return await self._ended_as_recorded(reader, descriptor)
        self._control.attach(reader, found.worker if found is not None else None)
        if self._table.stream(descriptor.id) is None:
            self._remote.follow(reader, descriptor)
        if found is not None and not found.ended:
            return True
        await asyncio.wait((reader.first,), timeout=FIRST_FRAME_S)
        return reader.first.done() or await self._ended_as_recorded(reader, descriptor, is_lost=found is None)

    async def _ended_as_recorded(self, reader: Stream, descriptor: StreamDescriptor, *, is_lost: bool = False) -> bool:
        """End a reader without frames as the usage record has it. False if nothing is left of the stream.

        `is_lost`: its gateway is, so the stream may go on without a frame, or wait without a record.
        """
        row = await read_row(self._connection, descriptor.route, descriptor.gateway, descriptor.id)
        if is_lost and (row is None or row.ended is None):
            return True
        error = recorded_error(row)
        if error is None and not reader.protocol.started:
            return False
        reader.commit()
        reader.fail(error or WORKER_LOST)
        return True

    async def stop(self, id_: str, context: RequestContext, *, delete: bool = True) -> None:
        """As of `StreamStopper`."""
        await self._stopper.stop(id_, context.principal.tenant, delete=delete)

    def close(self, opened: OpenStream) -> None:
        """A reader has left, or its stream has ended."""
        stream = opened.stream
        if (known := self._table.stream(stream.request_id)) is stream or opened.message is not None:
            self._dispatcher.close(opened)
            self._readers.end(stream)
            self._table.end(stream, asyncio.get_running_loop().time())
            return
        opened.disconnect.cancel()
        self._registry.remove(stream)
        self._remote.leave(stream)
        if known is not None and known.readers is not None:
            known.readers.closed(asyncio.get_running_loop().time())

    def end_streams(self, error: ErrorDetail) -> None:
        """End all open streams with `error`; cut the readers of those that another gateway can read on."""
        for stream in self._registry:
            if stream.is_reader:
                stream.cut(error)
        self._dispatcher.end_streams(error)

    async def _own(self, owner: Stream, resolution: Resolution, message: QueuedMessage) -> None:
        """Hold the request until its end, with or without readers. At the end of this process its worker continues."""
        await owner.done
        self._dispatcher.end(owner, resolution, message)
        self._readers.end(owner)
        self._table.end(owner, asyncio.get_running_loop().time())
        if owner.readers is not None and owner.readers.policy.keep_s:
            await self._store.trim(owner.tenant)
