"""Reads, continues, cancels and deletes stored responses, at any gateway.

A response is rendered again from the frames of its stream, see `resume`. Beside them its input is stored, for the
requests that continue it. Only the key (tenant) that created a response finds it.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from penstock_broker.stores.streams import StreamStore
from penstock_contract.errors import PenstockError
from penstock_contract.openai_responses.input_items import Item
from penstock_contract.openai_responses.response import ResponseObject
from penstock_contract.openai_responses.stored import (
    ResponseRendering,
    StoredInput,
    as_input,
    decode_input,
    decode_rendering,
)
from penstock_contract.request.json_body import invalid
from penstock_contract.stream.descriptor import FoundStream, StreamDescriptor
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.resume.resumable_streams import ResumableStreams
from penstock_gateway.streaming.renderers.dialects import RESPONSES
from penstock_gateway.streaming.renderers.responses.collector import ResponseCollector

RESPONSE_ID: Final = re.compile(r"resp_[0-9a-f]{24}")
READ_S: Final = 2.0
"""For an ended stream's frames. One that has not ended by then counts as in progress."""
DESCRIPTOR_S: Final = 660.0
"""A cancelled response's descriptor is kept for longer than its stream can go on."""


def response_id(request_id: str) -> str:
    return f"resp_{request_id.removeprefix('req_')}"


def response_not_found(id_: str) -> PenstockError:
    return PenstockError(
        "response_not_found",
        f"no response {id_[:64]!a}: it is unknown, not this key's, not stored or not kept any more; "
        "a route stores responses for spec.streams.keepSeconds",
    )


@contextmanager
def not_found_as_response(id_: str) -> Iterator[None]:
    """Give a stream that is not found the error of a response."""
    try:
        yield
    except PenstockError as error:
        if error.code == "stream_not_found":
            raise response_not_found(id_) from None
        raise


class KnownResponse(msgspec.Struct, frozen=True):
    """A stored response's stream, and whether it is known to go on."""

    descriptor: StreamDescriptor
    found: FoundStream | None
    rendering: ResponseRendering

    @property
    def live(self) -> bool:
        found = self.found
        return found is not None and found.descriptor is not None and not found.ended and not self.rendering.cancelled


class StoredResponses:
    def __init__(self, streams: ResumableStreams, store: StreamStore) -> None:
        self._streams = streams
        self._store = store

    async def find(self, id_: str, context: RequestContext) -> KnownResponse:
        """Raises `response_not_found`."""
        if not RESPONSE_ID.fullmatch(id_):
            raise response_not_found(id_)
        with not_found_as_response(id_):
            descriptor, found = await self._streams.find(request_id_of(id_), context)
        if descriptor.rendering.dialect != RESPONSES:
            raise response_not_found(id_)
        rendering = decode_rendering(descriptor.rendering.options)
        if not rendering.response.store:
            raise response_not_found(id_)
        return KnownResponse(descriptor, found, rendering)

    async def get(self, id_: str, context: RequestContext) -> ResponseObject | dict[str, Any]:
        """The response as it is now; without its output while it is in progress. Raises `response_not_found`."""
        known = await self.find(id_, context)
        if known.live:
            waits = known.found is None or known.found.worker is None
            status = "queued" if waits else "in_progress"
            return replace(known.rendering.response, status=status)
        return await self._whole(known, context, encrypted=known.rendering.encrypted)

    async def history(self, id_: str, context: RequestContext) -> list[Item]:
        """Input and output of a response, for the request that continues it. Raises `invalid_request`."""
        name = "previous_response_id"
        try:
            known = await self.find(id_, context)
            stored = await self._input(known)
            made = None if known.live else await self._whole(known, context, encrypted=True)
        except PenstockError as error:
            if error.code == "response_not_found":
                raise invalid(str(error), name) from None
            raise
        made = msgspec.convert(made, ResponseObject) if isinstance(made, dict) else made
        if made is None or made.status not in {"completed", "incomplete"}:
            raise invalid(f"the response is {'in progress' if made is None else made.status}", name)
        return [*stored.items, *as_input(made.output)]

    async def input(self, id_: str, context: RequestContext) -> StoredInput:
        """Raises `response_not_found`."""
        return await self._input(await self.find(id_, context))

    async def cancel(self, id_: str, context: RequestContext) -> ResponseObject | dict[str, Any]:
        """End a background response; one that has ended is returned as it is. Raises `response_not_found`."""
        known = await self.find(id_, context)
        if not known.rendering.response.background:
            raise PenstockError("invalid_request", "only a response with background: true can be cancelled")
        if not known.live:
            made = await self._whole(known, context, encrypted=known.rendering.encrypted)
            if not isinstance(made, ResponseObject) or made.status != "in_progress":
                return made
        await self._streams.stop(request_id_of(id_), context, delete=False)
        options = msgspec.json.encode(replace(known.rendering, cancelled=True))
        rendering = replace(known.descriptor.rendering, options=options)
        policy = known.descriptor.policy
        keep_s = policy.keep_s if policy is not None else 0.0
        await self._store.put(replace(known.descriptor, rendering=rendering), keep_s + DESCRIPTOR_S)
        return replace(known.rendering.response, status="cancelled")

    async def delete(self, id_: str, context: RequestContext) -> None:
        """End a response that is in progress, and delete everything of it. Raises `response_not_found`."""
        await self.find(id_, context)
        await self._streams.stop(request_id_of(id_), context)

    async def _input(self, known: KnownResponse) -> StoredInput:
        descriptor = known.descriptor
        data = await self._store.get_input(descriptor.tenant, descriptor.id)
        if data is None:
            raise response_not_found(known.rendering.response.id)
        return decode_input(data)

    async def _whole(
        self, known: KnownResponse, context: RequestContext, *, encrypted: bool
    ) -> ResponseObject | dict[str, Any]:
        """The response of all frames; `in_progress` if they have no end yet."""
        response = known.rendering.response
        if known.rendering.cancelled:
            return replace(response, status="cancelled")
        collector = ResponseCollector(response, encrypted=encrypted)
        with not_found_as_response(response.id):
            opened = await self._streams.read(known.descriptor.id, 0, context, renderer=collector)
        try:
            async with asyncio.timeout(READ_S):
                await opened.finished()
        except TimeoutError:
            return response
        finally:
            self._streams.close(opened)
        error = opened.stream.error
        if error is not None and error.code == "stream_lost" and not collector.has_output:
            raise response_not_found(response.id)
        return collector.response(None)


def request_id_of(id_: str) -> str:
    """The stream's id of a response's."""
    return f"req_{id_.removeprefix('resp_')}"
