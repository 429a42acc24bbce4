"""The declared doors are the gateway's: this is what stands in for generated code."""

from typing import get_type_hints

import pytest
from litestar.handlers import HTTPRouteHandler

from penstock_contract import endpoints
from penstock_contract.endpoints import Endpoint, StreamEndpoint
from penstock_gateway.api import openai, simple, status
from penstock_gateway.api.openapi import READ_AS

DECLARED = {name: value for name, value in vars(endpoints).items() if isinstance(value, Endpoint | StreamEndpoint)}
HANDLERS = {
    (method, path): handler
    for door in (openai, simple, status)
    for handler in vars(door).values()
    if isinstance(handler, HTTPRouteHandler)
    for method in handler.http_methods
    for path in handler.paths
}


@pytest.mark.parametrize("name", DECLARED)
def test_is_a_door_of_the_gateway(name: str) -> None:
    """Each one has a handler for its method and path that takes the declared request."""
    endpoint = DECLARED[name]

    handler = HANDLERS[endpoint.method, endpoint.path]

    taken = get_type_hints(handler.fn).get("data", type(None))
    assert endpoint.request.__name__ == READ_AS.get(taken.__name__, taken.__name__)
