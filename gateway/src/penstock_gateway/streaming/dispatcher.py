"""From a validated request to an open stream: publish it, wait for the first event, and withdraw it at its end.

    1. Admit the request: something is left of its key's and its route's limits.
    2. Register the stream, so that no frame can arrive too early, and open its usage record.
    3. Publish to the route's queue; a full queue or an unavailable broker is an error with a real status.
    4. Wait for the first event, a failure, or the commit deadline; the client's disconnect ends the wait.

Every `OpenStream` of `open` needs a `close`.
"""

import asyncio
from collections.abc import Awaitable, Callable

from opentelemetry.trace import SpanKind, Tracer

from penstock_broker.connection import Connection
from penstock_broker.queue import QueuedMessage, enqueue
from penstock_contract import codec, subjects
from penstock_contract.catalogue import Resolution
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import InferenceRequest, Operation
from penstock_contract.stream.descriptor import DisconnectPolicy
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.activation import Activations
from penstock_gateway.streaming.control_messages import ControlMessages
from penstock_gateway.streaming.open_stream import OpenStream
from penstock_gateway.streaming.reader_count import ReaderCount
from penstock_gateway.streaming.registry import StreamRegistry
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.stream import Stream
from penstock_gateway.telemetry.request_observer import RequestObserver
from penstock_gateway.usage.accounting import Accounting
from penstock_runtime.clock import Clock
from penstock_runtime.random_hex import random_hex
from penstock_runtime.telemetry import names
from penstock_runtime.telemetry.propagation import trace_headers


class Dispatcher:
    def __init__(
        self,
        settings: GatewaySettings,
        connection: Connection,
        registry: StreamRegistry,
        control: ControlMessages,
        activations: Activations,
        accounting: Accounting,
        observer: RequestObserver,
        tracer: Tracer,
        clock: Clock,
        *,
        gateway: str,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._registry = registry
        self._control = control
        self._activations = activations
        self._accounting = accounting
        self._observer = observer
        self._tracer = tracer
        self._clock = clock
        self._gateway = gateway

    @property
    def settings(self) -> GatewaySettings:
        return self._settings

    async def open(
        self,
        resolution: Resolution,
        operation: Operation,
        renderer: Renderer,
        context: RequestContext,
        *,
        collected: bool = False,
        bounded: bool = False,
        on_registered: Callable[[Stream], Awaitable[None]] | None = None,
    ) -> OpenStream:
        """Queue the request and wait for its first event. Raises `PenstockError`.

        `collected`: the client gets one whole answer. Such an answer has a size limit, as has one that is `bounded`
        because its renderer keeps it too.
        """
        stream, message = await self.begin(
            resolution,
            operation,
            renderer,
            context,
            collected=collected,
            bounded=bounded,
            on_registered=on_registered,
        )
        opened = OpenStream(stream, resolution, message, context.receive, collected=collected)
        try:
            await stream.first
            if opened.disconnect.done():
                raise PenstockError("cancelled", "the client disconnected")  # noqa: TRY301
        except BaseException:
            self.close(opened)
            raise
        return opened

    async def begin(
        self,
        resolution: Resolution,
        operation: Operation,
        renderer: Renderer,
        context: RequestContext,
        *,
        collected: bool = False,
        bounded: bool = False,
        policy: DisconnectPolicy | None = None,
        on_registered: Callable[[Stream], Awaitable[None]] | None = None,
    ) -> tuple[Stream, QueuedMessage]:
        """Queue the request. Raises `PenstockError`; the stream has ended then. `end` needs to be called otherwise.

        `on_registered` is awaited before the request is published.
        """
        entry = resolution.entry
        loop = asyncio.get_running_loop()
        opened_at = loop.time()
        try:
            context.body.assign(entry.key)
            charge = await self._accounting.admit(context, resolution, operation)
        except PenstockError as error:
            error.route = entry.key
            raise
        stream = Stream(
            int(random_hex(15), 16),
            context.request_id,
            entry.key,
            entry.spec.limits,
            renderer,
            opened_at,
            charge,
            tenant=context.principal.tenant,
            answer_bytes_max=self.settings.answer_bytes_max if collected or bounded else None,
            readers=None if policy is None else ReaderCount(policy, opened_at),
        )
        self._registry.add(stream)
        self._observer.stream_opened()
        try:
            if on_registered is not None:
                await on_registered(stream)
            self._accounting.open(stream, charge, resolution, operation)
            message = await self._publish(resolution, operation, stream)
            self._activations.queued(entry.key, loop.time())
        except BaseException as error:
            self._registry.remove(stream)
            if isinstance(error, PenstockError):
                stream.error = error.detail
                error.route = entry.key
            self._end(stream, resolution, answered_as_stream=False)
            raise
        finally:
            # Only now: the request is on its way meanwhile.
            self._accounting.add_headers(context, charge)
        return stream, message

    async def collect(
        self, resolution: Resolution, operation: Operation, collector: Renderer, context: RequestContext
    ) -> str | None:
        """Feed a whole answer to `collector`; returns the provider's name in the route.

        Raises `PenstockError`, also for a failure midway.
        """
        opened = await self.open(resolution, operation, collector, context, collected=True)
        try:
            opened.stream.commit()
            await opened.finished()
        finally:
            self.close(opened)
        if opened.stream.error is not None:
            raise PenstockError.of(opened.stream.error, route=resolution.entry.key)
        return opened.stream.serving.provider

    def close(self, opened: OpenStream) -> None:
        """End the stream's work everywhere, unless its worker has ended it."""
        opened.disconnect.cancel()
        assert opened.resolution is not None
        self.end(opened.stream, opened.resolution, opened.message, collected=opened.collected)

    def end(
        self, stream: Stream, resolution: Resolution, message: QueuedMessage | None, *, collected: bool = False
    ) -> None:
        """`close` of a stream of `begin`."""
        self._registry.remove(stream)
        if not stream.ended_by_worker:
            stream.error = stream.error or ErrorDetail("cancelled", "the client disconnected")
            self._registry.stopping(stream)
            self._control.abandon(stream, message, self._accounting.open_row)
        self._end(stream, resolution, answered_as_stream=stream.committed and not collected)

    def end_streams(self, error: ErrorDetail) -> None:
        """End all open streams with `error`, but for those that another gateway can read on."""
        for stream in self._registry:
            if stream.readers is None:
                stream.fail(error)

    def _end(self, stream: Stream, resolution: Resolution, *, answered_as_stream: bool) -> None:
        record = stream.record()
        self._accounting.end(record, stream.charge)
        now = asyncio.get_running_loop().time()
        self._observer.stream_ended(record, resolution, now, answered_as_stream=answered_as_stream)

    async def _publish(self, resolution: Resolution, operation: Operation, stream: Stream) -> QueuedMessage:
        entry, limits = resolution.entry, resolution.entry.spec.limits
        request = InferenceRequest(
            id=stream.request_id,
            stream=stream.id,
            gateway=self._gateway,
            tenant=stream.tenant,
            model=resolution.model,
            published_at=self._clock.unix(),
            timeout_s=limits.request_timeout_seconds,
            operation=operation,
            disconnect=None if stream.readers is None else stream.readers.policy,
        )
        subject = subjects.request(entry.namespace, entry.name, stream.tenant)
        queue = subjects.queue(entry.namespace, entry.name)
        with self._tracer.start_span(f"send {queue}", kind=SpanKind.PRODUCER, record_exception=False) as span:
            try:
                return await enqueue(
                    self._connection,
                    subject,
                    codec.encode(request),
                    message_id=stream.request_id,
                    headers=trace_headers(span),
                )
            finally:
                span.set_attributes(
                    {
                        names.MESSAGING_SYSTEM: "nats",
                        names.MESSAGING_OPERATION: "send",
                        names.MESSAGING_DESTINATION: queue,
                        names.MESSAGING_ID: stream.request_id,
                        names.REQUEST_ID: stream.request_id,
                    }
                )
