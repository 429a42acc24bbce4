"""Creates responses: as a stream, whole, or in the background; and stores their input where they are stored."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from penstock_broker.stores.streams import INPUT_BYTES_MAX, StreamStore
from penstock_contract.catalogue import Resolution
from penstock_contract.errors import PenstockError
from penstock_contract.openai_responses.body import ResponseBody
from penstock_contract.openai_responses.input_items import Item
from penstock_contract.openai_responses.response import ResponseObject, begun
from penstock_contract.openai_responses.stored import ResponseRendering, StoredInput
from penstock_contract.request.operations import Operation
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.responses.storage_plan import StoragePlan, storage_plan
from penstock_gateway.responses.stored_responses import DESCRIPTOR_S, response_id
from penstock_gateway.resume.resumable_streams import ResumableStreams
from penstock_gateway.streaming.dispatcher import Dispatcher
from penstock_gateway.streaming.open_stream import OpenStream
from penstock_gateway.streaming.renderers.dialects import RESPONSES
from penstock_gateway.streaming.renderers.responses.collector import ResponseCollector
from penstock_runtime.clock import Clock

Headers = Iterable[tuple[bytes, bytes]]


class NewResponse(Struct, frozen=True):
    """A response that is about to be created; `operation` is what its provider gets."""

    resolution: Resolution
    operation: Operation
    response: ResponseObject
    rendering: Rendering
    encrypted: bool
    plan: StoragePlan
    stored_input: bytes


class CreatedResponses:
    """Every method raises `PenstockError`."""

    def __init__(self, streams: ResumableStreams, dispatcher: Dispatcher, store: StreamStore, clock: Clock) -> None:
        self._streams = streams
        self._dispatcher = dispatcher
        self._store = store
        self._clock = clock

    def prepare(
        self,
        data: ResponseBody,
        known: list[Item],
        operation: Operation,
        resolution: Resolution,
        context: RequestContext,
        headers: Headers,
    ) -> NewResponse:
        """Decide what becomes of a request; `known` are the items before its own."""
        created = int(self._clock.unix())
        begins = begun(response_id(context.request_id), created, data.request, store=True)
        options = msgspec.json.encode(ResponseRendering(begins, data.encrypted))
        stored_input = msgspec.json.encode(StoredInput([*known, *data.items], len(known)))
        fits = max(len(stored_input), len(options)) <= INPUT_BYTES_MAX
        plan = storage_plan(data.request, resolution.entry.spec.streams, headers, fits=fits)
        if not plan.stored:
            begins = replace(begins, store=False)
            options = msgspec.json.encode(ResponseRendering(begins, data.encrypted))
        rendering = Rendering(RESPONSES, data.request.model, created, options)
        return NewResponse(resolution, operation, begins, rendering, data.encrypted, plan, stored_input)

    async def stream(self, new: NewResponse, context: RequestContext, headers: Headers) -> OpenStream:
        """Queue the request and wait for its first event."""
        await self._store_input(new, context)
        return await self._streams.open(
            new.resolution, new.operation, new.rendering, context, headers, policy=new.plan.policy
        )

    async def collect(
        self, new: NewResponse, context: RequestContext, headers: Headers
    ) -> tuple[ResponseObject | dict[str, Any], str | None]:
        """The whole response, and the name of its provider in the route."""
        await self._store_input(new, context)
        collector = ResponseCollector(new.response, encrypted=new.encrypted)
        if new.plan.policy is None:
            provider = await self._dispatcher.collect(new.resolution, new.operation, collector, context)
        else:
            opened = await self._streams.open(
                new.resolution,
                new.operation,
                new.rendering,
                context,
                headers,
                policy=new.plan.policy,
                renderer=collector,
            )
            try:
                opened.stream.commit()
                await opened.finished()
            finally:
                self._streams.close(opened)
            if opened.stream.error is not None:
                raise PenstockError.of(opened.stream.error, route=new.resolution.entry.key)
            provider = opened.stream.serving.provider
        return collector.response(int(self._clock.unix())), provider

    async def detach(self, new: NewResponse, context: RequestContext) -> ResponseObject:
        """Queue a background response."""
        await self._store_input(new, context)
        await self._streams.begin_detached(new.resolution, new.operation, new.rendering, context)
        return replace(new.response, status="queued")

    async def _store_input(self, new: NewResponse, context: RequestContext) -> None:
        if new.plan.stored and new.plan.policy is not None:
            ttl_s = new.plan.policy.keep_s + DESCRIPTOR_S
            await self._store.put_input(context.principal.tenant, context.request_id, new.stored_input, ttl_s)
