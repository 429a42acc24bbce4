"""CORS: pages of the origins in the settings may use the API from a browser; by default no page may.

Where no key is required, a request from a foreign origin is rejected. Otherwise any page that the user visits could
spend the user's money, because a browser sends a plain POST without a preflight. The Host is checked then too: a page
can resolve its own name to our address (DNS rebinding) and be of the same origin.
"""

import functools
import ipaddress
from collections.abc import Iterable
from typing import cast
from urllib.parse import urlsplit

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from msgspec import Struct

from penstock_contract.errors import ErrorDetail
from penstock_gateway.http.error_response import ErrorResponse
from penstock_gateway.telemetry.request_observer import RequestObserver

METHODS = b"GET, POST, DELETE"
HEADERS_MAX = 2048
PREFLIGHT_S = b"600"
EXPOSED = (
    b"x-request-id, request-id, retry-after, retry-after-ms, x-should-retry, www-authenticate, x-penstock-ignored, "
    b"x-penstock-estimated, "
    b"x-ratelimit-limit-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-requests, "
    b"x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, x-ratelimit-reset-tokens, "
    b"anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining, anthropic-ratelimit-requests-reset, "
    b"anthropic-ratelimit-tokens-limit, anthropic-ratelimit-tokens-remaining, anthropic-ratelimit-tokens-reset"
)


NOT_ALLOWED = ErrorResponse(
    ErrorDetail("origin_not_allowed", "pages of this origin may not use this API"), {"vary": "origin"}
)
HOST_NOT_ALLOWED = ErrorResponse(
    ErrorDetail(
        "origin_not_allowed",
        "without API keys this gateway serves only requests whose Host is localhost or an IP address; use one of them,"
        " or set PENSTOCK_AUTHENTICATION=required",
    ),
    {"vary": "origin"},
)


class CorsRules(Struct, frozen=True):
    """With `closed`, other origins are rejected, and Host names that are not this machine's own."""

    origins: frozenset[str]
    closed: bool = False

    def allows(self, origin: str) -> bool:
        return origin.lower() in self.origins

    def headers_for(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        """The headers with which a page of `origin` can read an answer; none for other pages."""
        if not self.allows(origin.decode("latin-1")):
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED),
            (b"vary", b"origin"),
        ]

    def refusal(self, origin: str | None, host: str) -> ErrorResponse | None:
        """The answer to a request that must not be handled. Every browser sends a Host."""
        if not self.closed:
            return None
        if host and not _of_this_machine(host):
            return HOST_NOT_ALLOWED
        foreign = origin is not None and not self.allows(origin) and origin.lower() != f"http://{host}".lower()
        return NOT_ALLOWED if foreign else None


class Cors:
    def __init__(self, app: ASGIApp, rules: CorsRules, observer: RequestObserver) -> None:
        self._app = app
        self._rules = rules
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http" or not (self._rules.closed or _has_origin(scope["headers"])):
            await self._app(scope, receive, send)
            return
        request = cast("HTTPScope", scope)
        headers = dict(request["headers"])
        origin = headers[b"origin"].decode("latin-1") if b"origin" in headers else None
        preflight = request["method"] == "OPTIONS" and b"access-control-request-method" in headers
        refusal = self._rules.refusal(origin, headers.get(b"host", b"").decode("latin-1"))
        if refusal is None and preflight and (origin is None or not self._rules.allows(origin)):
            refusal = NOT_ALLOWED
        if refusal is not None:
            self._observer.request_rejected(refusal.detail.code)
            await refusal.asgi(send, scope)
        elif origin is None or not self._rules.allows(origin):
            await self._app(scope, receive, send)
        elif preflight:
            await send({"type": "http.response.start", "status": 204, "headers": _preflight(headers)})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._app(scope, receive, _with_headers(send, self._rules.headers_for(headers[b"origin"])))


def _has_origin(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Only browsers send one."""
    return any(name == b"origin" for name, _ in headers)


def _preflight(headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    answer = [
        (b"access-control-allow-origin", headers[b"origin"]),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", PREFLIGHT_S),
        (b"vary", b"origin, access-control-request-headers"),
    ]
    # The SDKs send a dozen of their own (x-stainless-…); a trusted origin may send any.
    requested = headers.get(b"access-control-request-headers", b"")
    if requested and len(requested) <= HEADERS_MAX:
        answer.append((b"access-control-allow-headers", requested))
    return answer


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers


@functools.lru_cache(maxsize=64)
def _of_this_machine(host: str) -> bool:
    """True if `host` (a Host header) is `localhost` or an address, which no DNS server can assign."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
