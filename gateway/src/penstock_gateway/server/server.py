"""uvicorn with our connection handling and a kinder end.

Shutdown, in order (uvicorn drives it on SIGTERM):
    1. Stop listening; keep-alive connections without a request are closed.
    2. Open responses finish, at most `shutdown_grace_s`.
    3. What is still open then ends with an error event, which uvicorn alone would cut.
    4. The lifespan ends: last messages to workers, then the broker's connection.
"""

import asyncio
import signal
import socket

import msgspec
import uvicorn

from penstock_gateway.app import Gateway
from penstock_gateway.http.cors import CorsRules
from penstock_gateway.server import file_descriptors
from penstock_gateway.server.protocol import protocol
from penstock_gateway.settings import GatewaySettings

LAST_WORDS_S = 2
"""How long error events may take to leave before connections are cut after all."""


class Server(uvicorn.Server):
    def __init__(self, settings: GatewaySettings, gateway: Gateway) -> None:
        most = file_descriptors.connections_within(settings.connections_max, file_descriptors.raise_limit())
        bounds = msgspec.structs.replace(settings.bounds, connections_max=most)
        super().__init__(
            uvicorn.Config(
                gateway.app,
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=protocol(bounds, CorsRules(settings.origins)),
                ws="none",
                lifespan="on",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=int(settings.shutdown_grace_s) + LAST_WORDS_S,
            )
        )
        self._grace_s = settings.shutdown_grace_s
        self._gateway = gateway
        self._descriptor = settings.listen_descriptor

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn raises the signals that it caught once more when all is done; with the default handlers the process
        # would die there, with its last spans and a wrong exit code.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        if self._descriptor is not None:
            sockets = [socket.socket(fileno=self._descriptor)]
        super().run(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = asyncio.get_running_loop().call_later(self._grace_s, self._gateway.end_streams)
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()
