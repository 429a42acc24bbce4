"""uvicorn with the gateway's protocol class and a graceful end of streams.

Shutdown, in order (uvicorn drives it on SIGTERM):
    1. Stop listening; keep-alive connections without a request are closed.
    2. Open responses finish, at most `shutdown_grace_s`.
    3. Streams that are still open end with an error event; uvicorn alone would cut them.
    4. The lifespan ends: last messages to workers, then the broker's connection.
"""

import asyncio
import signal
import socket
from collections.abc import Callable

import msgspec
import uvicorn
from litestar.types import ASGIApp

from penstock_gateway.http.cors import CorsRules
from penstock_gateway.server.connection_limits import connections_within, raise_descriptor_limit
from penstock_gateway.server.protocol import protocol
from penstock_gateway.settings import GatewaySettings

ERROR_EVENTS_S = 2
"""Time for the error events to leave before connections are cut."""


class GatewayServer(uvicorn.Server):
    """`end_streams` ends the open streams when `shutdown_grace_s` has passed."""

    def __init__(self, settings: GatewaySettings, app: ASGIApp, end_streams: Callable[[], None]) -> None:
        connections_max = connections_within(settings.connections_max, raise_descriptor_limit())
        limits = msgspec.structs.replace(settings.connection_limits, connections_max=connections_max)
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=protocol(limits, CorsRules(settings.origins)),
                ws="none",
                lifespan="on",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=int(settings.shutdown_grace_s) + ERROR_EVENTS_S,
            )
        )
        self._grace_s = settings.shutdown_grace_s
        self._end_streams = end_streams
        self._descriptor = settings.listen_descriptor

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn raises the signals that it caught once more after the shutdown. With the default handlers the process
        # would end there, without its last spans and with a wrong exit code.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        if self._descriptor is not None:
            sockets = [socket.socket(fileno=self._descriptor)]
        super().run(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = asyncio.get_running_loop().call_later(self._grace_s, self._end_streams)
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()
