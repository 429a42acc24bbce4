"""HTTP to the API server: one place where calls are authorized, counted and kept from hanging.

Used twice, by `cluster` for our own calls and by kopf for its lists and watches, so that both are counted and both
notice a connection that has died without a word. It knows nothing about objects.
"""

import socket
import ssl
import time
from collections.abc import Callable
from typing import Final, Protocol

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from penstock_operator.kube import resources
from penstock_operator.kube.api_response import BoundedResponse

CallEnded = Callable[[str, str, str, float], None]
"""Verb, resource, HTTP status or the error's name, seconds."""

CONNECT_TIMEOUT_S: Final = 3.0
READY_TIMEOUT_S: Final = 5.0
"""For a connection with its TLS: one that goes silent in between would cost the whole request's time."""
REQUEST_TIMEOUT_S: Final = 10.0
USER_AGENT: Final = "penstock-operator"

# A peer that is gone without a FIN is noticed after 5 + 3 x 3 s, also when data of ours waits to be acknowledged.
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
        if hasattr(socket, name)  # not all of them exist on macOS
    ),
)


class Credentials(Protocol):
    @property
    def server(self) -> str:
        """URL of the API server, without a slash at its end."""

    @property
    def proxy(self) -> str | None:
        """URL of an HTTP proxy before it."""

    def ssl_context(self) -> ssl.SSLContext | bool: ...

    async def authorization(self) -> str | None:
        """The header's value as it is valid now; None if a client certificate says it all."""


def open_session(
    credentials: Credentials, ended: CallEnded, *middlewares: aiohttp.ClientMiddlewareType
) -> aiohttp.ClientSession:
    """A session of the running event loop; whoever opens it closes it."""

    async def call(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        # At each request and not once: the token of a pod's service account is replaced within the hour.
        if (authorization := await credentials.authorization()) is not None:
            request.headers["Authorization"] = authorization
        began = time.monotonic()
        try:
            response = await handler(request)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            ended(_verb(request), resources.label(request.url.path), type(error).__name__, time.monotonic() - began)
            raise
        ended(_verb(request), resources.label(request.url.path), str(response.status), time.monotonic() - began)
        return response

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=credentials.ssl_context(), limit=0, socket_factory=_socket),
        middlewares=(*middlewares, call),
        response_class=BoundedResponse,
        timeout=timeout(REQUEST_TIMEOUT_S),
        headers={"User-Agent": USER_AGENT},
        proxy=credentials.proxy,
    )


def timeout(total_s: float) -> aiohttp.ClientTimeout:
    """Of one request, from its begin to the end of its answer."""
    return aiohttp.ClientTimeout(total=total_s, connect=READY_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)


def is_watch(request: ClientRequest) -> bool:
    return request.url.query.get("watch") == "true"


def _verb(request: ClientRequest) -> str:
    """As the API server's own metrics call it."""
    if request.method == "GET":
        if is_watch(request):
            return "watch"
        return "get" if resources.of_path(request.url.path) is None else "list"
    if request.method == "PATCH":
        return "apply" if "apply-patch" in request.headers.get("Content-Type", "") else "patch"
    return {"POST": "create", "PUT": "update", "DELETE": "delete"}.get(request.method, request.method.lower())


def _socket(address: "aiohttp.AddrInfoType") -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    for level, option, value in _KEEPALIVE:
        made.setsockopt(level, option, value)
    return made
