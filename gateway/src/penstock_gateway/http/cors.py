"""Which pages may use the API from a browser: those of the origins in the settings, exactly, and none by default.

Where no key is asked for, a foreign origin is refused outright: any page that its user visits could otherwise spend
their providers' money, as a browser sends a plain POST without asking. The Host is looked at then too, because a page
can give its own name our address (DNS rebinding) and be of the same origin.
"""

import ipaddress
from collections.abc import Iterable
from typing import cast
from urllib.parse import urlsplit

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from msgspec import Struct

from penstock_contract.errors import PenstockError
from penstock_gateway.http.error_response import Refusal

METHODS = b"GET, POST"
HEADERS_MAX = 2048
PREFLIGHT_S = b"600"
EXPOSED = (
    b"x-request-id, request-id, retry-after, retry-after-ms, x-should-retry, www-authenticate, x-penstock-ignored, "
    b"x-ratelimit-limit-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-requests, "
    b"x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, x-ratelimit-reset-tokens"
)


class CorsRules(Struct, frozen=True):
    """`closed`: refuse other origins, and names of us that are not this machine's own."""

    origins: frozenset[str]
    closed: bool = False

    def allows(self, origin: str) -> bool:
        return origin.lower() in self.origins

    def headers_for(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        """What a page of `origin` needs to read an answer; nothing for other pages."""
        if not self.allows(origin.decode("latin-1")):
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED),
            (b"vary", b"origin"),
        ]

    def refuses(self, origin: str | None, host: str) -> bool:
        """Whether a request must not even be looked at. No browser leaves the Host out."""
        if not self.closed:
            return False
        if host and not _of_this_machine(host):
            return True
        return origin is not None and not self.allows(origin) and origin.lower() != f"http://{host}".lower()


class Cors:
    def __init__(self, app: ASGIApp, rules: CorsRules, refusal: Refusal) -> None:
        self._app = app
        self._rules = rules
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http" or not (self._rules.closed or _has_origin(scope["headers"])):
            await self._app(scope, receive, send)
            return
        request = cast("HTTPScope", scope)
        headers = dict(request["headers"])
        origin = headers[b"origin"].decode("latin-1") if b"origin" in headers else None
        preflight = request["method"] == "OPTIONS" and b"access-control-request-method" in headers
        refused = self._rules.refuses(origin, headers.get(b"host", b"").decode("latin-1"))
        if refused or (preflight and (origin is None or not self._rules.allows(origin))):
            error = PenstockError("origin_not_allowed", "pages of this origin may not use this API")
            await self._refusal.send(error, {"vary": "origin"}, scope, receive, send)
        elif origin is None or not self._rules.allows(origin):
            await self._app(scope, receive, send)
        elif preflight:
            await send({"type": "http.response.start", "status": 204, "headers": _preflight(headers)})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._app(scope, receive, _with_headers(send, self._rules.headers_for(headers[b"origin"])))


def _has_origin(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Most callers are no browsers."""
    return any(name == b"origin" for name, _ in headers)


def _preflight(headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    answer = [
        (b"access-control-allow-origin", headers[b"origin"]),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", PREFLIGHT_S),
        (b"vary", b"origin, access-control-request-headers"),
    ]
    # The SDKs send a dozen of their own (x-stainless-…): for an origin that is trusted any will do.
    asked = headers.get(b"access-control-request-headers", b"")
    if asked and len(asked) <= HEADERS_MAX:
        answer.append((b"access-control-allow-headers", asked))
    return answer


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers


def _of_this_machine(host: str) -> bool:
    """Whether `host` (a Host header) is `localhost` or an address: what no DNS server can give away."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
