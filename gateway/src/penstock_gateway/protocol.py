"""Hands a request's connection to the hot path, and answers what uvicorn would answer in a shape of its own.

Everything else of HTTP stays uvicorn's and Litestar's.
"""

import asyncio
from typing import Any

from litestar.types import Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from penstock_contract.errors import ErrorDetail
from penstock_gateway.renderers.renderer import error_json
from penstock_gateway.request_id import new_request_id

EXTENSION = "penstock.connection"


class ClientConnection:
    """The connection under a request: raw writes for whoever has sent the response's start through ASGI."""

    __slots__ = ("_bytes_max", "_flow", "_transport")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow
        self._bytes_max = 0

    def bound(self, bytes_max: int) -> None:
        """Let at most `bytes_max` wait for the client to read."""
        self._bytes_max = bytes_max

    def write(self, data: bytes) -> bool:
        """One chunk of a chunked body (RFC 9112 §7.1)."""
        if self._transport.is_closing():
            # The client has gone; its stream is about to hear of it. uvloop raises for a write after the end.
            return True
        if self._flow.write_paused and self._transport.get_write_buffer_size() > self._bytes_max:
            return False
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    @property
    def stalled(self) -> bool:
        """Whether the client has stopped reading."""
        return self._flow.write_paused

    def abort(self) -> None:
        """Cut the connection, so that no client takes what it has for the whole."""
        self._transport.abort()


def connection_of(scope: Scope) -> ClientConnection | None:
    """The connection under `scope`, if its server hands it over and its body is chunked."""
    connection: object = (scope.get("extensions") or {}).get(EXTENSION)
    return connection if isinstance(connection, ClientConnection) and scope["http_version"] == "1.1" else None


class UnframedCycle(RequestResponseCycle):
    """For HTTP/1.0, which knows no chunks (RFC 9112 §6.1): the end of the connection is the end of the body."""

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.body":
            # uvicorn counts a body that is not chunked against its content-length; without one, each piece is right.
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)


class GatewayProtocol(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        extensions: dict[str, Any] = {EXTENSION: ClientConnection(self.transport, self.flow)}
        self.scope["extensions"] = extensions
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.__class__ = UnframedCycle
            self.cycle.chunked_encoding = False

    def send_400_response(self, msg: str) -> None:
        del msg
        body = error_json(ErrorDetail("invalid_request", "the request is not valid HTTP"))
        request_id = new_request_id().encode()
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"x-request-id: %b\r\nrequest-id: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (request_id, request_id, len(body), body)
        )
        self.transport.close()
