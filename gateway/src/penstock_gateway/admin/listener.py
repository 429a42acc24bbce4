"""A second uvicorn in the gateway's event loop, started and stopped with the gateway's own application."""

import asyncio
import contextlib
from collections.abc import Generator

import uvicorn
from litestar.types import ASGIApp

from penstock_gateway.server.connection_limits import ConnectionLimits
from penstock_gateway.server.protocol import protocol
from penstock_runtime.listen_address import bind

STOP_S = 2


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """The gateway's server handles signals."""
        yield


class AdminListener:
    """Listens when it is created; raises `OSError` if it cannot. Call `close` after `start`."""

    def __init__(self, app: ASGIApp, host: str, port: int, limits: ConnectionLimits) -> None:
        self._socket = bind(host, port)
        self._server = _Server(
            uvicorn.Config(
                app,
                http=protocol(limits),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STOP_S,
            )
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve([self._socket]))

    async def close(self) -> None:
        if self._task is not None:
            self._server.should_exit = True
            await self._task
