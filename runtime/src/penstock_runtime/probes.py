"""Liveness, readiness and metrics of a process that is not an HTTP server otherwise.

    /livez    200 while the process is worth keeping
    /readyz   200 when it may be given work
    /metrics  Prometheus text format, if the process has any

A check returns None, or the reason why not, which is the body of the 503: a kubelet shows it in the pod's events.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator, Mapping
from typing import Any

import uvicorn

Check = Callable[[], str | None]
Page = Callable[[], tuple[bytes, str]]
"""Body and content type."""

CLOSE_S = 1
BACKLOG = 64


class Probes:
    """Call `close` after `start`. `start` raises `OSError` if the port is taken."""

    def __init__(self, host: str, port: int, *, live: Check, ready: Check, metrics: Page | None = None) -> None:
        self._address = (host, port)
        self._checks: Mapping[str, Check] = {"/livez": live, "/readyz": ready}
        self._metrics = metrics
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = port

    async def start(self) -> None:
        # Bound here: uvicorn ends the whole process when it cannot bind.
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=BACKLOG)
        self.port = listener.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                self,
                loop="none",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=CLOSE_S,
            )
        )
        self._task = asyncio.create_task(self._server.serve([listener]))

    async def close(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """The ASGI application."""
        del receive
        status, body, content_type = self.answer(scope["path"]) if scope["method"] in {"GET", "HEAD"} else _NOT_ALLOWED
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def answer(self, path: str) -> tuple[int, bytes, str]:
        """Status, body and content type."""
        if path == "/metrics" and self._metrics is not None:
            return (200, *self._metrics())
        if (check := self._checks.get(path)) is None:
            return 404, b"not found\n", _TEXT
        reason = check()
        return (200, b"ok\n", _TEXT) if reason is None else (503, f"{reason}\n".encode(), _TEXT)


def prometheus() -> tuple[bytes, str]:
    """The page of everything that this process counts."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 - only for a scrape

    return generate_latest(), CONTENT_TYPE_LATEST


_TEXT = "text/plain; charset=utf-8"
_NOT_ALLOWED = (405, b"method not allowed\n", _TEXT)


class _Server(uvicorn.Server):
    """The process's signals are its own: uvicorn's handlers would replace them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
