"""The context of one request, made once by the authentication middleware and read by every handler."""

from typing import cast

from litestar.types import Receive, Scope
from msgspec import Struct

from penstock_gateway.access.principal import Principal
from penstock_gateway.http.request_id import request_id_of
from penstock_gateway.http.request_middleware import Headers, response_headers_of
from penstock_gateway.server.body_memory import BodyCharge

SCOPE_KEY = "penstock.context"


class RequestContext(Struct, frozen=True):
    """`response_headers` are sent with the response's start; append to them before it."""

    request_id: str
    principal: Principal
    receive: Receive
    response_headers: Headers
    body: BodyCharge


def set_context(scope: Scope, receive: Receive, principal: Principal, body: BodyCharge) -> None:
    """Create the context of the request of `scope`; its caller releases `body` at the end."""
    context = RequestContext(request_id_of(scope), principal, receive, response_headers_of(scope), body)
    scope[SCOPE_KEY] = context  # type: ignore[literal-required]


def context_of(scope: Scope) -> RequestContext:
    return cast("RequestContext", scope[SCOPE_KEY])  # type: ignore[literal-required]
