"""Who asks, on which connection, and what is said to them beside the answer."""

from litestar.types import Receive, Scope
from msgspec import Struct

from penstock_gateway.access.authentication import caller_of
from penstock_gateway.access.principal import Caller
from penstock_gateway.http.request_middleware import Headers, headers_of, request_id_of


class Client(Struct, frozen=True):
    """`headers` go with the response's start, whatever it is: add to them before."""

    request_id: str
    caller: Caller
    receive: Receive
    headers: Headers


def client_of(scope: Scope, receive: Receive) -> Client:
    return Client(request_id_of(scope), caller_of(scope), receive, headers_of(scope))
