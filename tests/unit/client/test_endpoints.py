"""The gateway serves the declared endpoints, whose types the client shares without generated code."""

import inspect
from typing import get_type_hints

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from penstock_contract import endpoints
from penstock_contract.endpoints import STORED_RESPONSE, Endpoint, StreamEndpoint
from penstock_gateway.api import anthropic, completions, openai, simple, status
from penstock_gateway.api.openai_responses import responses, stored_responses
from penstock_gateway.api.openapi.document import READ_AS

DECLARED = {name: value for name, value in vars(endpoints).items() if isinstance(value, Endpoint | StreamEndpoint)}
HANDLERS = {
    (method, path): handler
    for module in (anthropic, completions, openai, responses, stored_responses, simple, status)
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
    if endpoint.method == "GET" and endpoint.request is not type(None):
        query = {field.name: field.default for field in msgspec.structs.fields(endpoint.request)}
        assert (
            query.items()
            <= {name: one.default for name, one in inspect.signature(handler.fn).parameters.items()}.items()
        )
        return
    assert endpoint.request.__name__ in READ_AS.get(taken.__name__, (taken.__name__,))


def test_endpoint_at_encodes_its_parameters() -> None:
    assert STORED_RESPONSE.at(response_id="a/b ?").path == "/v1/responses/a%2Fb%20%3F"


@pytest.mark.parametrize("parameters", [{}, {"response_id": ""}, {"response_id": ".."}, {"id": "x"}])
def test_endpoint_at_rejects_what_is_no_segment_of_its_path(parameters: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="response_id"):
        STORED_RESPONSE.at(**parameters)
