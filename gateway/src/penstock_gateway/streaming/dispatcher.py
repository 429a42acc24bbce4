"""From a validated request to an open stream: publish, wait for the first event, give back the queue's place.

    1. Admit the request: its key and its route have something left of their limits.
    2. Register the stream, so that no frame can come too early, and open its usage row.
    3. Publish to the route's queue; a full queue or an absent broker is an error with a real status.
    4. Wait for the first event, a failure, or the time to commit; a client that leaves ends the wait.

Whoever gets an `OpenStream` closes it.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from litestar.types import Receive
from opentelemetry.trace import SpanKind, Tracer

from penstock_broker.connection import Connection
from penstock_broker.queue import QueuedMessage, enqueue, withdraw
from penstock_contract import codec, subjects
from penstock_contract.catalogue import Resolution
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import InferenceRequest, Operation
from penstock_contract.stream.frames import Activation, Stop
from penstock_gateway.access.principal import Caller
from penstock_gateway.server.client_connection import ClientConnection
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.registry import StreamTable
from penstock_gateway.streaming.renderers.renderer import PING, Renderer
from penstock_gateway.streaming.request_context import Client
from penstock_gateway.streaming.stream import LiveStream
from penstock_gateway.telemetry.request_observer import Observer
from penstock_gateway.usage.accounting import Metering
from penstock_runtime.clock import Clock
from penstock_runtime.telemetry import names
from penstock_runtime.telemetry.propagation import trace_headers


class OpenStream:
    """A stream whose answer has begun (or whose commit deadline has passed), and its client."""

    def __init__(
        self,
        dispatcher: "Dispatcher",
        stream: LiveStream,
        resolution: Resolution,
        message: QueuedMessage,
        *,
        collected: bool,
    ) -> None:
        self.stream = stream
        self.resolution = resolution
        self.message = message
        self.collected = collected
        """Whether the client gets one whole answer instead of a stream."""
        self.client_gone: asyncio.Task[None] | None = None
        self._dispatcher = dispatcher

    @property
    def client_buffer_bytes_max(self) -> int:
        return self._dispatcher.settings.client_buffer_bytes_max

    @property
    def write_timeout_s(self) -> float:
        return self._dispatcher.settings.write_timeout_s

    def write_to(self, connection: ClientConnection) -> None:
        connection.bound(self.client_buffer_bytes_max, PING)
        self.stream.attach(connection)

    @property
    def cut_off(self) -> bool:
        """Whether the client must not take what it has for the whole."""
        return self.stream.error is not None and self.stream.error.code == "slow_client"

    async def finished(self) -> None:
        """Wait for the stream's end, or for its client to leave."""
        await self.stream.done

    async def close(self) -> None:
        await self._dispatcher.close(self)


class Dispatcher:
    def __init__(
        self,
        settings: GatewaySettings,
        connection: Connection,
        table: StreamTable,
        tracer: Tracer,
        observer: Observer,
        clock: Clock,
        metering: Metering,
        *,
        gateway: str,
        queued: Callable[[str, float], None],
    ) -> None:
        self.settings = settings
        self._connection = connection
        self._table = table
        self._tracer = tracer
        self._observer = observer
        self._clock = clock
        self._metering = metering
        self._gateway = gateway
        self._queued = queued
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(
        self,
        resolution: Resolution,
        operation: Operation,
        renderer: Renderer,
        client: Client,
        *,
        collected: bool = False,
    ) -> OpenStream:
        """Queue the request and wait for its first event. Raises `PenstockError`.

        `collected`: the renderer keeps the answer, which therefore has a bound.
        """
        entry = resolution.entry
        loop = asyncio.get_running_loop()
        opened_at = loop.time()
        admission = await self._metering.admit(client, resolution, operation)
        stream = LiveStream(
            secrets.randbits(63),
            client.request_id,
            entry.key,
            entry.spec.limits,
            renderer,
            opened_at,
            admission,
            answer_bytes_max=self.settings.answer_bytes_max if collected else None,
        )
        stream.tenant = client.caller.tenant
        self._table.add(stream)
        self._observer.stream_opened()
        try:
            await self._metering.open(stream, resolution, operation, client.caller.tenant)
            message = await self._publish(resolution, operation, stream, client.caller)
            self._queued(entry.key, loop.time())
        except BaseException as error:
            self._table.remove(stream)
            if isinstance(error, PenstockError):
                stream.error = error.detail
            self._metering.ended(stream)
            self._observer.stream_ended(stream, resolution, loop.time(), answered_as_stream=False)
            raise
        opened = OpenStream(self, stream, resolution, message, collected=collected)
        opened.client_gone = asyncio.create_task(until_client_gone(client.receive))
        opened.client_gone.add_done_callback(lambda _: stream.leave())
        try:
            await stream.first
            if opened.client_gone.done():
                raise PenstockError("cancelled", "the client went away")  # noqa: TRY301
        except BaseException:
            await self.close(opened)
            raise
        return opened

    async def collect(
        self,
        resolution: Resolution,
        operation: Operation,
        collector: Renderer,
        client: Client,
    ) -> str | None:
        """Feed a whole answer to `collector`; returns the provider's name in the route.

        Raises `PenstockError`, also for a failure midway.
        """
        opened = await self.open(resolution, operation, collector, client, collected=True)
        try:
            opened.stream.commit()
            await opened.finished()
        finally:
            await self.close(opened)
        if opened.stream.error is not None:
            raise PenstockError.of(opened.stream.error)
        return opened.stream.provider

    async def close(self, opened: OpenStream) -> None:
        """End the stream's work everywhere, unless it has ended by itself."""
        stream = opened.stream
        self._table.remove(stream)
        if opened.client_gone is not None:
            opened.client_gone.cancel()
        if not stream.ended_by_worker:
            stream.error = stream.error or ErrorDetail("cancelled", "the client went away")
            self._table.stopping(stream)
            # A task of its own: the handler that calls this may be cancelled itself.
            self.spawn(self.abandon(stream, opened.resolution, opened.message))
        self._metering.ended(stream)
        self._observer.stream_ended(
            stream,
            opened.resolution,
            asyncio.get_running_loop().time(),
            answered_as_stream=stream.committed and not opened.collected,
        )

    async def abandon(self, stream: LiveStream, resolution: Resolution, message: QueuedMessage | None) -> None:
        """Tell whoever serves the request that nobody wants it, and take it out of the queue."""
        entry = resolution.entry
        if stream.worker is not None:
            subject = subjects.control(entry.namespace, entry.name, stream.worker)
        else:
            # Perhaps a worker has just taken it and we do not know which.
            subject = subjects.control_all(entry.namespace, entry.name)
        await self._connection.publish(
            subject, codec.encode(Stop(stream.id, stream.error.code if stream.error is not None else "cancelled"))
        )
        if not stream.started and message is not None:
            await withdraw(self._connection, message)

    def call_for_workers(self, route: str) -> None:
        """Tell the operator that a request of `namespace.name` waits and no free slot is known."""
        subject = subjects.activation(*route.split("."))
        self.spawn(self._connection.publish(subject, codec.encode(Activation(self._gateway))))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end_streams(self, error: ErrorDetail) -> None:
        for stream in self._table:
            stream.fail(error)

    async def drain(self) -> None:
        """Wait for the last words to workers."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)

    async def _publish(
        self, resolution: Resolution, operation: Operation, stream: LiveStream, caller: Caller
    ) -> QueuedMessage:
        entry, limits = resolution.entry, resolution.entry.spec.limits
        request = InferenceRequest(
            id=stream.request_id,
            stream=stream.id,
            gateway=self._gateway,
            tenant=caller.tenant,
            model=resolution.model,
            published_at=self._clock.unix(),
            timeout_s=limits.request_timeout_seconds,
            operation=operation,
        )
        subject = subjects.request(entry.namespace, entry.name, caller.tenant)
        queue = subjects.queue(entry.namespace, entry.name)
        with self._tracer.start_as_current_span(
            f"send {queue}",
            kind=SpanKind.PRODUCER,
            attributes={
                names.MESSAGING_SYSTEM: "nats",
                names.MESSAGING_OPERATION: "send",
                names.MESSAGING_DESTINATION: queue,
                names.MESSAGING_ID: stream.request_id,
                names.REQUEST_ID: stream.request_id,
            },
            record_exception=False,
        ) as span:
            return await enqueue(
                self._connection,
                subject,
                codec.encode(request),
                message_id=stream.request_id,
                headers=trace_headers(span),
            )


async def until_client_gone(receive: Receive) -> None:
    with contextlib.suppress(OSError):
        while (await receive())["type"] != "http.disconnect":
            pass
