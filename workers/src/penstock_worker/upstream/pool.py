"""Idle connections to one provider, and the bytes of a request to it."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

from penstock_contract.errors import PenstockError
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.connection import UpstreamConnection
from penstock_worker.upstream.connection_failure import connection_failure
from penstock_worker.upstream.connector import Connector
from penstock_worker.upstream.egress_proxy import EgressProxy

IDLE_CONNECTIONS_MAX = 256
IDLE_CONNECTION_AGE_S = 30.0


class ConnectionPool:
    """Connections to one base URL; the newest idle one is used first."""

    def __init__(
        self, base_url: str, tls: Callable[[], ssl.SSLContext], rules: AddressRules, proxy: EgressProxy | None = None
    ) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname
        context = tls() if parts.scheme == "https" else None
        port = parts.port or (443 if context else 80)
        self._connector = Connector(parts.hostname, port, context, rules, proxy=proxy)
        self._path = parts.path.rstrip("/")
        self._authority = parts.netloc
        self._idle: deque[UpstreamConnection] = deque()
        self._closed = False

    async def acquire(self, timeout_s: float) -> tuple[UpstreamConnection, bool]:
        """A connection, and whether it was used before. Raises `provider_unavailable`."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now - connection.idle_since < IDLE_CONNECTION_AGE_S:
                return connection, True
            connection.close()
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connector.connect(lambda: UpstreamConnection(self))
        except (OSError, TimeoutError) as error:
            raise connection_failure(error) from error
        return connection, False

    def raw(self, request: HttpRequest, extra: dict[str, str]) -> bytes:
        """The request's bytes. Raises `provider_auth_failed` for a header value with a line end."""
        headers = {
            "host": self._authority,
            "content-type": "application/json",
            "content-length": str(len(request.body)),
            "accept": "text/event-stream, application/json",
            "accept-encoding": "identity",
            "user-agent": "penstock",
            **request.headers,
            **extra,
        }
        lines = [f"POST {self._path}{request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise PenstockError("provider_auth_failed", "the provider's credentials contain a line end")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + request.body

    def release(self, connection: UpstreamConnection) -> None:
        if self._closed:
            connection.close()
            return
        self._idle.append(connection)
        if len(self._idle) > IDLE_CONNECTIONS_MAX:
            self._idle.popleft().close()

    def remove(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Keep no connection any more. Open calls continue, and their requests may open other connections."""
        self._closed = True
        self.close_idle()
