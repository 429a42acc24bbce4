"""The gateway serves the declared endpoints, whose types the client shares without generated code."""

from typing import get_type_hints

import pytest
from litestar.handlers import HTTPRouteHandler

from penstock_contract import endpoints
from penstock_contract.endpoints import Endpoint, StreamEndpoint
from penstock_gateway.api import anthropic, completions, openai, simple, status
from penstock_gateway.api.openai_responses import responses
from penstock_gateway.api.openapi.document import READ_AS

DECLARED = {name: value for name, value in vars(endpoints).items() if isinstance(value, Endpoint | StreamEndpoint)}
HANDLERS = {
    (method, path): handler
    for module in (anthropic, completions, openai, responses, simple, status)
    for handler in vars(module).values()
    if isinstance(handler, HTTPRouteHandler)
    for method in handler.http_methods
    for path in handler.paths
}


@pytest.mark.parametrize("name", DECLARED)
def test_endpoint_has_a_handler_that_takes_its_request(name: str) -> None:
    endpoint = DECLARED[name]

    handler = HANDLERS[endpoint.method, endpoint.path]

    taken = get_type_hints(handler.fn).get("data", type(None))
    assert endpoint.request.__name__ in READ_AS.get(taken.__name__, (taken.__name__,))
