"""HTTP to the API server: calls are authorized, counted, bounded in time, and fail as `ApiError`.

Uses the transport of the official client (`RESTClientObject`): it builds TLS contexts, proxies and requests from a
kubeconfig. Its models and `ApiClient` are not used: they decode into typed objects, which drop fields that they do not
declare. Its session is replaced, at the points that it offers for that: the default one reads the proxy variables and
`.netrc` at every request, which doubles the CPU time of a call (docs/decisions/0004).

This module is independent of object kinds.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Final, Protocol
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import AddrInfoType, ClientHandlerType, ClientRequest, ClientResponse
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import BUSY_AGAIN_S, ApiError, error_of
from penstock_operator.kube.api_response import BoundedResponse
from penstock_operator.kube.nesting import bounded
from penstock_operator.kube.resources import Body

CallEnded = Callable[[str, str, str], None]
"""Verb, resource, and the HTTP status or the name of the error."""

CONNECT_TIMEOUT_S: Final = 3.0
READY_TIMEOUT_S: Final = 5.0
"""For a connection with its TLS: one that goes silent in between would use up the time of the whole request."""
REQUEST_TIMEOUT_S: Final = 10.0
LARGE_BYTES: Final = 256 * 1024
"""A larger response is decoded in a thread, so that the event loop can renew the lease meanwhile."""
USER_AGENT: Final = "penstock-operator"

# Detects a peer that is gone without a FIN after 5 + 3 x 3 s, also while sent data is not acknowledged.
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", 5),
            ("TCP_KEEPINTVL", 3),
            ("TCP_KEEPCNT", 3),
            ("TCP_USER_TIMEOUT", 14_000),
        )
        if hasattr(socket, name)  # macOS lacks some of them
    ),
)


class Credentials(Protocol):
    @property
    def configuration(self) -> Configuration: ...

    async def authorization(self) -> str | None:
        """The present value of the Authorization header; None if a client certificate authenticates."""


def open_session(
    credentials: Credentials, ended: CallEnded, *middlewares: aiohttp.ClientMiddlewareType
) -> aiohttp.ClientSession:
    """Opens a session of the running event loop for kopf's lists and watches; the caller closes it."""
    return _RestClient(credentials, ended, *middlewares).open_session()


def timeout(total_s: float) -> aiohttp.ClientTimeout:
    """Bounds one request, from its start to the end of its response."""
    return aiohttp.ClientTimeout(total=total_s, connect=READY_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)


def is_watch(request: ClientRequest) -> bool:
    return request.url.query.get("watch") == "true"


class Transport:
    """Calls the API server. Call `close` after `open`.

    A 429 of the server applies to every call: until its time is over the others raise TooManyRequests without a
    request.
    """

    def __init__(self, credentials: Credentials, ended: CallEnded) -> None:
        self._credentials = credentials
        self._ended = ended
        self._rest: _RestClient | None = None
        self._quiet_until = 0.0
        self.answered_at: float | None = None
        """Event-loop time of the last response, whatever its status."""

    async def open(self) -> None:
        self._rest = _RestClient(self._credentials, self._ended)

    async def close(self) -> None:
        if self._rest is not None:
            await self._rest.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout_s: float = REQUEST_TIMEOUT_S,
        urgent: bool = False,
    ) -> Body:
        """Returns the decoded response. `urgent` calls ignore a 429 of another call. Raises `ApiError`."""
        rest = self._rest
        assert rest is not None, "open comes first"
        loop = asyncio.get_running_loop()
        if loop.time() < self._quiet_until and not urgent:
            raise ApiError(
                "TooManyRequests", "the API server asked to wait", retry_after_s=self._quiet_until - loop.time()
            )
        url = f"{rest.server}{path}?{urlencode(query)}" if query else f"{rest.server}{path}"
        try:
            response = await rest.request(  # type: ignore[no-untyped-call]
                method, url, headers={"Content-Type": content_type}, body=body, _request_timeout=timeout(timeout_s)
            )
            data = await response.read()
        except TimeoutError:
            await self._reconnect(rest)
            raise ApiError("Unavailable", "the API server did not respond in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ApiError("Unavailable", f"the API server cannot be reached: {type(error).__name__}") from error
        self.answered_at = loop.time()
        if response.status >= 400:
            refused = error_of(response.status, data, response.headers.get("Retry-After"))
            if refused.kind == "TooManyRequests":
                self._quiet_until = loop.time() + (refused.retry_after_s or BUSY_AGAIN_S)
            raise refused
        if len(data) > LARGE_BYTES:
            return await asyncio.to_thread(_decode, data)
        return _decode(data)

    async def _reconnect(self, rest: "_RestClient") -> None:
        """Drops every connection: if one went silent the others did too, and each would cost a timeout.

        A lease has not that much time. Calls in progress fail as Unavailable.
        """
        if self._rest is rest:
            await self.open()
            await rest.close()


class _RestClient(RESTClientObject):
    """The official transport over a session whose calls are authorized and counted, with TCP keepalive."""

    def __init__(self, credentials: Credentials, ended: CallEnded, *middlewares: aiohttp.ClientMiddlewareType) -> None:
        super().__init__(credentials.configuration)
        self._credentials = credentials
        self._ended = ended
        self._middlewares = middlewares

    @property
    def server(self) -> str:
        return str(self.configuration.host).rstrip("/")

    def open_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.ssl_context, limit=0, socket_factory=_socket),
            middlewares=(*self._middlewares, self._authorize_and_count),
            response_class=BoundedResponse,
            timeout=timeout(REQUEST_TIMEOUT_S),
            headers={"User-Agent": USER_AGENT},
            proxy=self.proxy,
        )

    def _create_pool_manager(self) -> aiohttp.ClientSession:
        """Overrides the official client's session, as its docstring proposes (kubernetes 37.0)."""
        return self.open_session()

    async def _authorize_and_count(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        # At each request: the token of a pod's service account is replaced within the hour.
        if (authorization := await self._credentials.authorization()) is not None:
            request.headers["Authorization"] = authorization
        try:
            response = await handler(request)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._ended(_verb(request), resources.label(request.url.path), type(error).__name__)
            raise
        self._ended(_verb(request), resources.label(request.url.path), str(response.status))
        return response


def _decode(data: bytes) -> Body:
    response: Body = msgspec.json.decode(bounded(data))
    return response


def _verb(request: ClientRequest) -> str:
    """The verb, as in the API server's own metrics."""
    if request.method == "GET":
        if is_watch(request):
            return "watch"
        return "get" if resources.of_path(request.url.path) is None else "list"
    if request.method == "PATCH":
        return "apply" if "apply-patch" in request.headers.get("Content-Type", "") else "patch"
    return {"POST": "create", "PUT": "update", "DELETE": "delete"}.get(request.method, request.method.lower())


def _socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    for level, option, value in _KEEPALIVE:
        made.setsockopt(level, option, value)
    return made
