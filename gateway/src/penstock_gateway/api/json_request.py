"""The client's own body, decoded once, by the reader of its endpoint; and the request's context.

A handler receives the result of its reader as `data`: Litestar passes a Struct on as it is. OpenAPI documents the
public request type instead, see `documentation`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request
from litestar.types import Empty

from penstock_contract.codec import UNREADABLE
from penstock_contract.request.chat_fields import shown
from penstock_contract.request.json_body import LARGE_BODY_BYTES, decoded, fields_of, invalid, without_mark
from penstock_gateway.access.request_context import RequestContext, context_of

READER = "body"
"""The handler's option that holds its reader."""

Reader = Callable[[bytes], msgspec.Struct]


class ClientRequest(Request[Any, Any, Any]):
    """Litestar's user, auth and state are not used, and have no type."""

    @property
    def context(self) -> RequestContext:
        return context_of(self.scope)

    async def body(self) -> bytes:
        """The body. Raises `overloaded` as soon as a piece of it finds no room."""
        if self._body is Empty:
            charge = self.context.body
            pieces = []
            async for piece in self.stream():
                charge.add(len(piece))
                pieces.append(piece)
            self._body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return self._body

    async def json(self) -> Any:
        """The body as decoded by the endpoint's reader. Raises `invalid_request`."""
        body = await self.body()
        reader: Reader | None = self.route_handler.opt.get(READER)
        if reader is not None:
            if len(body) <= LARGE_BODY_BYTES:
                return reader(body)
            # In a thread, although it holds the interpreter's lock: the lock is released between two scans of the body,
            # so that other streams wait for one scan (20 ms for 7 MB) and not for all of them (70 ms).
            return await asyncio.to_thread(reader, body)
        try:
            return await super().json()
        except UNREADABLE:
            # Text that is not UTF-8, and nesting without end. Without its cause, which would contain the bytes.
            raise invalid("the request's body is not valid JSON") from None


def strict(kind: type[msgspec.Struct]) -> Reader:
    """A reader that rejects fields that `kind` does not have: our own endpoints have no others."""
    decoder = msgspec.json.Decoder(kind)
    known = {field.encode_name for field in msgspec.structs.fields(kind)}

    def read(body: bytes) -> msgspec.Struct:
        body = without_mark(body)
        for name in fields_of(body):
            if name not in known:
                raise invalid(f"unknown field; this endpoint has {', '.join(sorted(known))}", shown(name))
        found: msgspec.Struct = decoded(decoder, body, "")
        return found

    return read
