"""The id of a request, made by the gateway and kept in the request's scope."""

from litestar.types import Scope

from penstock_runtime.random_hex import random_hex

SCOPE_KEY = "penstock.request_id"


def new_request_id(tag: str = "") -> str:
    """A random id. A client's own id is not used: it could forge a log line or name another's request.

    `tag`, 8 digits, names the process, so that another gateway finds the stream of a request.
    """
    return f"req_{tag or random_hex(8)}{random_hex(16)}"


def request_id_of(scope: Scope) -> str:
    return str(scope.get(SCOPE_KEY, ""))
