"""The streams of a page's chats: read on after a reload, and stopped, by the chat's id.

A chat has a pointer to its last stream while no client has read that stream's end: afterwards a page that loads again
has the answer already, and must not run its tools again. Only streams that outlive their connection have a pointer.
"""

import asyncio
from collections.abc import Iterable

import structlog

from penstock_broker.stores.chats import ChatPointer, ChatStore
from penstock_contract.catalogue import Resolution
from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.stream.descriptor import DisconnectPolicy, Rendering
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.resume.disconnect_policy import disconnect_policy
from penstock_gateway.resume.resumable_streams import ResumableStreams
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.open_stream import OpenStream

PROGRESS_AFTER_S = 1.0
"""A page gets reports on a request that waits longer: until then errors are HTTP statuses."""
MARGIN_S = 60.0
"""Added to the time that a stream may last: its pointer must not expire before it."""

log = structlog.get_logger("penstock.gateway")


class ChatReader:
    """One reader of a chat's stream; `settings` and `close` are as of the dispatcher, for `EventStream`."""

    def __init__(self, chats: "ChatStreams", tenant: str, chat_id: str, pointer: ChatPointer) -> None:
        self._chats = chats
        self._chat = tenant, chat_id
        self._pointer = pointer

    @property
    def settings(self) -> GatewaySettings:
        return self._chats.streams.settings

    def close(self, opened: OpenStream) -> None:
        whole = opened.stream.done.done() and not opened.disconnect.done() and not opened.cut_off
        self._chats.streams.close(opened)
        if whole:
            self._chats.clear(*self._chat, self._pointer)


class ChatStreams:
    """Opens, reads and stops the streams of chats. A tenant sees its own chats only."""

    def __init__(self, streams: ResumableStreams, store: ChatStore) -> None:
        self.streams = streams
        self._store = store
        self._clearing: set[asyncio.Task[None]] = set()

    async def open(
        self,
        chat_id: str | None,
        resolution: Resolution,
        operation: Operation,
        rendering: Rendering,
        context: RequestContext,
        headers: Iterable[tuple[bytes, bytes]],
    ) -> tuple[ChatReader | ResumableStreams, OpenStream]:
        """Open a stream as `ResumableStreams.open` does; returns also what closes it."""
        headers, spec = list(headers), resolution.entry.spec
        policy = disconnect_policy(headers, spec.streams)
        if chat_id is None or policy is None:
            opened = await self.streams.open(
                resolution, operation, rendering, context, headers, progress_after_s=PROGRESS_AFTER_S
            )
            return self.streams, opened
        tenant = context.principal.tenant
        # Before the request is queued: a page may load again while it waits for a worker.
        pointer = await self._store.put(tenant, chat_id, context.request_id, _ttl_s(spec, policy))
        try:
            opened = await self.streams.open(
                resolution, operation, rendering, context, headers, progress_after_s=PROGRESS_AFTER_S
            )
        except PenstockError as error:
            if error.code != "cancelled":
                self.clear(tenant, chat_id, pointer)
            raise
        return ChatReader(self, tenant, chat_id, pointer), opened

    async def read(self, chat_id: str, context: RequestContext) -> tuple[ChatReader, OpenStream] | None:
        """Read the chat's last stream from its beginning; None if there is none whose end was not read."""
        tenant = context.principal.tenant
        pointer = await self._store.get(tenant, chat_id)
        if pointer is None:
            return None
        try:
            opened = await self.streams.read(pointer.stream_id, 0, context)
        except PenstockError as error:
            if error.code != "stream_not_found":
                raise
            return None
        return ChatReader(self, tenant, chat_id, pointer), opened

    async def stop(self, chat_id: str, stream_id: str | None, context: RequestContext) -> str | None:
        """Stop the chat's last stream, only if it is `stream_id` where that is given; returns its id."""
        tenant = context.principal.tenant
        pointer = await self._store.get(tenant, chat_id)
        if pointer is None or stream_id not in {None, pointer.stream_id}:
            return None
        try:
            await self.streams.stop(pointer.stream_id, context)
        except PenstockError as error:
            if error.code != "stream_not_found":
                raise
            return None
        finally:
            self.clear(tenant, chat_id, pointer)
        return pointer.stream_id

    def clear(self, tenant: str, chat_id: str, pointer: ChatPointer) -> None:
        """Remove the pointer; at the latest its TTL does."""
        task = asyncio.create_task(self._clear(tenant, chat_id, pointer))
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def _clear(self, tenant: str, chat_id: str, pointer: ChatPointer) -> None:
        try:
            await self._store.clear(tenant, chat_id, pointer)
        except PenstockError as error:
            log.warning("chats.pointer_not_cleared", code=error.code)


def _ttl_s(spec: ModelRouteSpec, policy: DisconnectPolicy) -> float:
    longest_s = spec.limits.queue_timeout_seconds + spec.limits.request_timeout_seconds
    return longest_s + (policy.grace_s or 0.0) + policy.keep_s + MARGIN_S
