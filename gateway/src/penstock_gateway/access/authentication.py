"""Authenticates a request: looks up the key in its headers before any handler sees the request.

Outside Litestar, which answers unknown paths and wrong methods outside its own middleware: without a key neither
is shown. At every request, as a connection outlives a key. No broker is asked: the watch keeps the keys in memory.
"""

from collections.abc import Iterable
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from penstock_contract.errors import PenstockError
from penstock_contract.limits.keys import KEY_LENGTH, KeyRecord, hash_of
from penstock_gateway.access.key_cache import KeyRing
from penstock_gateway.access.principal import ANONYMOUS, Caller
from penstock_gateway.http.error_response import Refusal
from penstock_gateway.server.client_connection import connection_of
from penstock_runtime.clock import Clock

SCOPE_KEY = "penstock.caller"
OPEN_PATHS = frozenset({"/health", "/ready", "/schema", "/schema/openapi.json"})
"""What probes ask, and documentation that is the same for everybody. `/metrics` shows which models exist."""
KEY_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key"})
"""OpenAI's SDKs send the first, Anthropic's the second, Azure's the third."""
CHALLENGE = 'Bearer realm="penstock"'
INVALID = f'{CHALLENGE}, error="invalid_token"'
"""RFC 6750 §3: no error code for a request that had no credentials at all."""


def caller_of(scope: Scope) -> Caller:
    caller: object = scope.get(SCOPE_KEY)
    return caller if isinstance(caller, Caller) else ANONYMOUS


class Authentication:
    """`headers` are those in which a key may be shown."""

    def __init__(
        self,
        app: ASGIApp,
        ring: KeyRing,
        clock: Clock,
        refusal: Refusal,
        headers: frozenset[bytes] = KEY_HEADERS,
    ) -> None:
        self._app = app
        self._ring = ring
        self._clock = clock
        self._refusal = refusal
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) == "http":
            request = cast("HTTPScope", scope)
            try:
                record = identify(request["headers"], self._ring, self._clock.unix(), self._headers)
            except PenstockError as error:
                if request["path"] not in OPEN_PATHS:
                    await self._refusal.send(error, _challenge(error), scope, receive, send)
                    return
            else:
                scope[SCOPE_KEY] = Caller(record)  # type: ignore[literal-required]
                connection = connection_of(scope)
                if connection is not None:
                    connection.authenticated()
        await self._app(scope, receive, send)


def identify(
    headers: Iterable[tuple[bytes, bytes]], ring: KeyRing, now: float, looked_at: frozenset[bytes] = KEY_HEADERS
) -> KeyRecord:
    """The key that a request shows. Raises `invalid_api_key`, or `broker_unavailable` before the keys are known."""
    secrets = presented(headers, looked_at)
    if not secrets:
        raise PenstockError("invalid_api_key", MISSING)
    if len(secrets) > 1:
        # A proxy might look at one and we at the other.
        raise PenstockError("invalid_api_key", TWO_KEYS)
    if not ring.loaded:
        raise PenstockError("broker_unavailable", "the API keys are not loaded yet", retry_after_s=1)
    (secret,) = secrets
    # The length is no secret, and what is longer need not be hashed.
    record = ring.find(hash_of(secret)) if len(secret) == KEY_LENGTH else None
    if record is None:
        raise PenstockError("invalid_api_key", "the API key is not valid")
    if not record.valid(now):
        # Told only to who has the secret.
        ended = "was revoked" if record.revoked_at is not None else "has expired"
        raise PenstockError("invalid_api_key", f"the API key {ended}")
    return record


MISSING = "no API key was sent: use the header authorization: Bearer, x-api-key or api-key"
TWO_KEYS = (
    "the request shows more than one API key; send one. On a gateway behind a proxy that uses Authorization itself, "
    "set PENSTOCK_KEY_HEADERS"
)


def presented(headers: Iterable[tuple[bytes, bytes]], looked_at: frozenset[bytes] = KEY_HEADERS) -> set[str]:
    """Every different key in these headers. Names are lower-case; other schemes than Bearer are a proxy's business."""
    found: set[str] = set()
    for name, value in headers:
        if name not in looked_at:
            continue
        if name == b"authorization":
            scheme, _, credentials = value.partition(b" ")
            if scheme.lower() == b"bearer":
                found.add(credentials.strip().decode("latin-1"))
        else:
            found.add(value.strip().decode("latin-1"))
    return found - {""}


def _challenge(error: PenstockError) -> dict[str, str]:
    if error.code != "invalid_api_key":
        return {}
    return {"www-authenticate": CHALLENGE if error.detail.message == MISSING else INVALID}
