"""uvicorn's request cycle: the part of a connection that belongs to one request and its response."""

from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from penstock_gateway.server.client_connection import EXTENSION, ClientConnection


class UnframedCycle(RequestResponseCycle):
    """For HTTP/1.0, which has no chunked bodies (RFC 9112 §6.1): the connection's end is the end of the body."""

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.body":
            # uvicorn counts a body that is not chunked against its content-length; without one, each piece is right.
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)


def without_chunks(cycle: RequestResponseCycle) -> None:
    """Send the response of `cycle` without chunks. uvicorn creates the cycle itself, so its class is replaced."""
    cycle.__class__ = UnframedCycle
    cycle.chunked_encoding = False


def connection_under(cycle: RequestResponseCycle) -> ClientConnection | None:
    extensions: dict[str, Any] = cycle.scope.get("extensions") or {}
    return extensions.get(EXTENSION)


def mark_disconnected(cycle: RequestResponseCycle | None) -> None:
    """Deliver `http.disconnect` to the request's handler."""
    if cycle is not None and not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()
