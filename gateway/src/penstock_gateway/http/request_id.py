"""The id of a request, made by the gateway and kept in the request's scope."""

import secrets

from litestar.types import Scope

SCOPE_KEY = "penstock.request_id"


def new_request_id() -> str:
    """A random id. A client's own id is not used: it could forge a log line or name another's request."""
    return f"req_{secrets.token_hex(12)}"


def request_id_of(scope: Scope) -> str:
    return str(scope.get(SCOPE_KEY, ""))
