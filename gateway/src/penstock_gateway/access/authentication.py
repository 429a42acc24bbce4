"""Authenticates a request: looks up the key in its headers before any handler runs.

Outside Litestar, which answers unknown paths and wrong methods outside its own middleware: without a key neither
is shown. At every request, because a connection outlives a key. No broker request: the watch keeps the keys in memory.
"""

from collections.abc import Iterable
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from penstock_contract.endpoints import HEALTH, READY
from penstock_contract.errors import PenstockError
from penstock_contract.limits.api_keys import KEY_LENGTH, KeyRecord, hash_of
from penstock_gateway.access.key_cache import KeyCache
from penstock_gateway.access.principal import ANONYMOUS, Principal
from penstock_gateway.access.request_context import set_context
from penstock_gateway.http.error_response import ErrorResponse
from penstock_gateway.server.body_memory import BodyCharge, BodyMemory
from penstock_gateway.server.client_connection import connection_of
from penstock_gateway.telemetry.request_observer import RequestObserver
from penstock_runtime.clock import Clock

OPEN_PATHS = frozenset({HEALTH.path, READY.path, "/schema", "/schema/openapi.json"})
"""Paths of probes, and of documentation that is the same for all clients. `/metrics` shows which models exist."""
KEY_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key"})
"""OpenAI's SDKs send the first, Anthropic's the second, Azure's the third."""
CHALLENGE = 'Bearer realm="penstock"'
INVALID = f'{CHALLENGE}, error="invalid_token"'
"""RFC 6750 §3: no error code for a request without credentials."""
MISSING = "no API key was sent: use the header authorization: Bearer, x-api-key or api-key"
TWO_KEYS = (
    "the request has more than one API key; send one. On a gateway behind a proxy that uses Authorization itself, "
    "set PENSTOCK_KEY_HEADERS"
)


class Authentication:
    """Sets the request context. `keys` is None where authentication is off: every principal is anonymous.

    `bodies` bounds the bodies of all requests. `headers` are those in which a key may be sent, `open_paths` the exact
    paths that need none.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: KeyCache | None,
        clock: Clock,
        observer: RequestObserver,
        bodies: BodyMemory,
        headers: frozenset[bytes] = KEY_HEADERS,
        open_paths: frozenset[str] = OPEN_PATHS,
    ) -> None:
        self._app = app
        self._keys = keys
        self._clock = clock
        self._observer = observer
        self._bodies = bodies
        self._headers = headers
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) == "http":
            request = cast("HTTPScope", scope)
            try:
                principal = self._principal(request)
            except PenstockError as error:
                if request["path"] not in self._open_paths:
                    self._observer.request_rejected(error.code)
                    await ErrorResponse(error.detail, _challenge(error)).asgi(send, scope)
                    return
                principal = ANONYMOUS
            body = BodyCharge(self._bodies)
            set_context(scope, receive, principal, body)
            if principal.key is not None:
                connection = connection_of(scope)
                if connection is not None:
                    connection.authenticated()
            try:
                await self._app(scope, receive, send)
            finally:
                body.release()
        else:
            await self._app(scope, receive, send)

    def _principal(self, request: HTTPScope) -> Principal:
        if self._keys is None:
            return ANONYMOUS
        return Principal(identify(request["headers"], self._keys, self._clock.unix(), self._headers))


def identify(
    headers: Iterable[tuple[bytes, bytes]], keys: KeyCache, now: float, key_headers: frozenset[bytes] = KEY_HEADERS
) -> KeyRecord:
    """The key that a request sent. Raises `invalid_api_key`, or `broker_unavailable` before the keys are loaded."""
    sent = tuple([(name, value) for name, value in headers if name in key_headers])
    record = keys.find_sent(sent)
    if record is None:
        record = _found(sent_keys(sent, key_headers), keys)
        keys.keep_sent(sent, record)
    if not record.valid(now):
        # Only the holder of the secret receives this message.
        ended = "was revoked" if record.revoked_at is not None else "has expired"
        raise PenstockError("invalid_api_key", f"the API key {ended}")
    return record


def _found(secrets: set[str], keys: KeyCache) -> KeyRecord:
    if not secrets:
        raise PenstockError("invalid_api_key", MISSING)
    if len(secrets) > 1:
        # A proxy might use one and the gateway the other.
        raise PenstockError("invalid_api_key", TWO_KEYS)
    if not keys.loaded:
        raise PenstockError("broker_unavailable", "the API keys are not loaded yet", retry_after_s=1)
    (secret,) = secrets
    # The length is not secret, and a longer text need not be hashed.
    record = keys.find(hash_of(secret)) if len(secret) == KEY_LENGTH else None
    if record is None:
        raise PenstockError("invalid_api_key", "the API key is not valid")
    return record


def sent_keys(headers: Iterable[tuple[bytes, bytes]], key_headers: frozenset[bytes] = KEY_HEADERS) -> set[str]:
    """Every different key in these headers. Names are lower-case; schemes other than Bearer belong to a proxy."""
    found: set[str] = set()
    for name, value in headers:
        if name not in key_headers:
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
