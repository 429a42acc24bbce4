"""Declares Litestar handlers for the endpoints of the contract, which define their path, method and types.

mypy checks a handler's return type against its endpoint. The client is generic over the same values: the types of
requests and responses are shared without code generation.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import Any, TypeVar

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Operation

from penstock_contract.endpoints import Endpoint, StreamEndpoint
from penstock_gateway.api.json_request import READER, Reader, strict
from penstock_gateway.streaming.output.sse_response import EventStream

Answer = TypeVar("Answer")
Handler = Callable[..., Answer | Response[Answer] | Awaitable[Answer] | Awaitable[Response[Answer]]]

METHODS = {"GET": get, "POST": post}


def answers(
    endpoint: Endpoint[Any, Answer],
    *,
    reader: Reader | None = None,
    responses: Mapping[int, ResponseSpec] | None = None,
    operation_class: type[Operation] = Operation,
) -> Callable[[Handler[Answer]], HTTPRouteHandler]:
    """A handler that answers once. `reader` decodes the body; without one, unknown fields are rejected."""

    def declare(handler: Handler[Answer]) -> HTTPRouteHandler:
        return _handler(endpoint, handler, reader, responses, operation_class)

    return declare


def streams(
    endpoint: StreamEndpoint[Any, Any],
    *,
    reader: Reader | None = None,
    responses: Mapping[int, ResponseSpec],
    operation_class: type[Operation] = Operation,
) -> Callable[[Callable[..., Awaitable[EventStream]]], HTTPRouteHandler]:
    """A handler that answers with server-sent events; `reader` is as in `answers`."""

    def declare(handler: Callable[..., Awaitable[EventStream]]) -> HTTPRouteHandler:
        return _handler(endpoint, handler, reader, responses, operation_class)

    return declare


def _handler(
    endpoint: Endpoint[Any, Any] | StreamEndpoint[Any, Any],
    handler: Callable[..., Any],
    reader: Reader | None,
    responses: Mapping[int, ResponseSpec] | None,
    operation_class: type[Operation],
) -> HTTPRouteHandler:
    if reader is None and endpoint.request is not NoneType:
        reader = strict(endpoint.request)
    declare: Callable[[Callable[..., Any]], HTTPRouteHandler] = METHODS[endpoint.method](
        endpoint.path,
        status_code=200,
        # Litestar warns of it for a coroutine function.
        sync_to_thread=None if inspect.iscoroutinefunction(handler) else False,
        responses=responses,
        operation_class=operation_class,
        opt={READER: reader} if reader is not None else None,
    )
    return declare(handler)
