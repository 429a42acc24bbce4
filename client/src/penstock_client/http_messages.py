"""Headers, bodies and types of a request and its response, for both clients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Self, TypeVar

import httpx
import msgspec

from penstock_client.errors import invalid
from penstock_contract.endpoints import Endpoint, StreamEndpoint

Request = TypeVar("Request")
Response = TypeVar("Response")
Chunk = TypeVar("Chunk")

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_TIMEOUT = httpx.Timeout(600.0, connect=5.0)
"""Seconds; the OpenAI SDK's. Inside a stream it bounds the silence between two reads, which the gateway's heartbeats
break every few seconds."""
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
"""A stream holds its connection: with httpx's default of 100 the 101st would wait silently."""

USER_AGENT = "penstock-client"
EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class ResponseInfo:
    """A response as the `on_response` hook sees it, retried ones too; `attempt` counts from 0."""

    method: str
    path: str
    status: int
    request_id: str | None
    attempt: int

    @classmethod
    def of(
        cls,
        endpoint: Endpoint[Request, Response] | StreamEndpoint[Request, Chunk],
        response: httpx.Response,
        attempt: int,
    ) -> Self:
        request_id = response.headers.get("x-request-id")
        return cls(endpoint.method, endpoint.path, response.status_code, request_id, attempt)


OnResponse = Callable[[ResponseInfo], None]


def ignore(_: ResponseInfo) -> None:
    """The default hook."""


def default_headers(api_key: str | None) -> dict[str, str]:
    headers = {"user-agent": USER_AGENT}
    return headers if api_key is None else {**headers, "authorization": f"Bearer {api_key}"}


def content(
    endpoint: Endpoint[Request, Response] | StreamEndpoint[Request, Chunk], request: Request | None
) -> bytes | None:
    """The JSON body, with the fields that the endpoint implies; None for an endpoint without a body."""
    if endpoint.method == "GET" or not isinstance(request, msgspec.Struct):
        return None
    return msgspec.json.encode(msgspec.structs.replace(request, **endpoint.implied))


def query(
    endpoint: Endpoint[Request, Response] | StreamEndpoint[Request, Chunk], request: Request | None
) -> dict[str, str | int] | None:
    """The parameters of the URL: the request's fields for a `GET`, without those left out."""
    if endpoint.method != "GET" or not isinstance(request, msgspec.Struct):
        return None
    fields: dict[str, str | int] = msgspec.to_builtins(request)
    return fields


def headers_for(endpoint: Endpoint[Request, Response] | StreamEndpoint[Request, Chunk]) -> dict[str, str]:
    """A stream is requested uncompressed: a proxy that compresses it would hold events back to fill its window."""
    headers = {} if endpoint.request is NoneType else {"content-type": "application/json"}
    if isinstance(endpoint, StreamEndpoint):
        return {**headers, "accept": EVENT_STREAM, "accept-encoding": "identity"}
    return {**headers, "accept": "application/json"}


def is_answer(endpoint: Endpoint[Request, Response] | StreamEndpoint[Request, Chunk], status: int) -> bool:
    return status in (endpoint.answers if isinstance(endpoint, Endpoint) else (200,))


def answer(endpoint: Endpoint[Request, Response], headers: Mapping[str, str], body: bytes) -> Response:
    """The typed answer in a successful response; raises `GatewayError` if it is something else."""
    try:
        return msgspec.json.decode(body, type=endpoint.response)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{endpoint.path} did not answer with a {endpoint.response.__name__}: {error}"
        raise invalid(message, headers.get("x-request-id")) from error


def check_is_stream(headers: Mapping[str, str]) -> None:
    """Raise `GatewayError` unless the response is an event stream; a login page read as one would seem cut off."""
    kind = headers.get("content-type", "")
    if not kind.startswith(EVENT_STREAM):
        raise invalid(f"expected {EVENT_STREAM}, got {kind or 'no content type'}", headers.get("x-request-id"))
