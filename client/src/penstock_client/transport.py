"""Translates httpx's exceptions into the client's errors.

A connection that broke may be tried again. A timeout may not: the caller's time is used up, and the gateway has
already paid for an answer without a reader (the OpenAI SDK does retry here).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from penstock_client.errors import GatewayError, GatewayUnreachable, invalid, truncated


@contextmanager
def translated_request_errors(response: httpx.Response | None = None) -> Iterator[None]:
    """Raise `GatewayError` for what httpx raises until the response is there, its body too if it has begun."""
    try:
        yield
    except httpx.DecodingError as error:
        raise _garbled(error, response.headers.get("x-request-id") if response is not None else None) from error
    except httpx.TransportError as error:
        raise _unanswered(error) from error


@contextmanager
def translated_stream_errors(request_id: str | None) -> Iterator[None]:
    """Raise `StreamTruncated` or `GatewayError` for what httpx raises while a body is read."""
    try:
        yield
    except httpx.DecodingError as error:
        raise _garbled(error, request_id) from error
    except httpx.TimeoutException as error:
        raise _timeout("no more of the stream", error, 200, request_id) from error
    except httpx.TransportError as error:
        raise truncated(f"the connection broke inside the stream: {_reason(error)}", request_id) from error


def _unanswered(error: httpx.TransportError) -> GatewayError:
    url = error.request.url
    where = f"{url.scheme}://{url.netloc.decode()}"  # without user and password, which a URL may carry
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return _timeout(f"no answer from {where}", error, None, None)
    return GatewayUnreachable(
        f"no answer from {where}: {_reason(error)}",
        code="gateway_unreachable",
        retryable=not isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError),
    )


def _garbled(error: httpx.DecodingError, request_id: str | None) -> GatewayError:
    return invalid(f"the answer's content-encoding cannot be decoded: {_reason(error)}", request_id)


def _timeout(what: str, error: httpx.TimeoutException, status: int | None, request_id: str | None) -> GatewayError:
    return GatewayError(f"{what} in time: {_reason(error)}", code="timeout", status=status, request_id=request_id)


def _reason(error: httpx.RequestError) -> str:
    return str(error) or type(error).__name__
