"""The errors of the client when httpx fails, without real waits."""

from collections.abc import Iterator

import httpx
import pytest

from penstock_client import Client, GatewayError, GatewayUnreachable, StreamTruncated
from penstock_contract.endpoint_responses import EmbedResponse


class Failing(httpx.BaseTransport):
    """Fails in the given way, before the response or after `body` of a stream."""

    def __init__(self, error: httpx.TransportError, body: bytes | None = None) -> None:
        self.requests = 0
        self._error = error
        self._body = body

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self._body is None:
            raise self._error
        headers = {"content-type": "text/event-stream", "x-request-id": "req_1"}
        return httpx.Response(200, headers=headers, stream=FailingBody(self._body, self._error), request=request)


class FailingBody(httpx.SyncByteStream):
    def __init__(self, body: bytes, error: httpx.TransportError) -> None:
        self._body = body
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield self._body
        raise self._error


def client(transport: httpx.BaseTransport, pauses: list[float]) -> Client:
    return Client("http://user:secret@gateway:1", transport=transport, sleep=pauses.append, dice=lambda: 0.0)


def embed(transport: httpx.BaseTransport, pauses: list[float]) -> EmbedResponse:
    with client(transport, pauses) as gateway:
        return gateway.embed("cat")


def generate(transport: httpx.BaseTransport, pauses: list[float]) -> list[str]:
    with client(transport, pauses) as gateway, gateway.generate("hi") as chunks:
        return [chunk.text for chunk in chunks]


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), [0.5, 1.0]),
        (httpx.ConnectTimeout("timed out"), [0.5, 1.0]),
        (httpx.ReadError(""), [0.5, 1.0]),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), [0.5, 1.0]),
        (httpx.UnsupportedProtocol("no http"), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_transport_reports_a_missing_response_as_unreachable(error: httpx.TransportError, pauses: list[float]) -> None:
    """A failed connection is retried, an invalid address is not; the error omits a password in the address."""
    waited: list[float] = []
    with pytest.raises(GatewayUnreachable, match=r"no answer from http://gateway:1: .+") as caught:
        embed(Failing(error), waited)

    assert waited == pauses
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("call", [embed, generate])
def test_transport_does_not_retry_a_read_timeout(call: object) -> None:
    """A read timeout ends the call, because a retry would pay for a second generation."""
    waited: list[float] = []
    transport = Failing(httpx.ReadTimeout("timed out"))
    with pytest.raises(GatewayError, match="no answer from http://gateway:1 in time") as caught:
        call(transport, waited)  # type: ignore[operator]

    assert (caught.value.code, transport.requests, waited) == ("timeout", 1, [])


@pytest.mark.parametrize("body", [b": ping\n\n", b'data: {"text":"a"}\n\n'], ids=["before the first event", "midway"])
def test_transport_reports_a_silent_stream_as_a_timeout(body: bytes) -> None:
    """The error is no truncation, and is not retried either."""
    waited: list[float] = []
    transport = Failing(httpx.ReadTimeout("timed out"), body)
    with pytest.raises(GatewayError, match="no more of the stream in time: timed out") as caught:
        generate(transport, waited)

    assert (caught.value.code, caught.value.request_id) == ("timeout", "req_1")
    assert (transport.requests, waited) == (1, [])


def test_transport_reports_a_broken_stream_as_truncated() -> None:
    """The error has the network error as its cause; after the first event there is no retry."""
    waited: list[float] = []
    transport = Failing(httpx.ReadError("[Errno 104] Connection reset by peer"), b'data: {"text":"a"}\n\n')
    with pytest.raises(StreamTruncated, match="Connection reset by peer"):
        generate(transport, waited)

    assert (transport.requests, waited) == (1, [])


class Garbled(httpx.BaseTransport):
    """Has the header of a compressed body, and an uncompressed body."""

    def __init__(self, kind: str) -> None:
        self.requests = 0
        self._headers = {"content-type": kind, "content-encoding": "gzip", "x-request-id": "req_1"}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        body = iter([b'data: {"text":"a"}\n\n'])
        return httpx.Response(200, headers=self._headers, stream=Pieces(body), request=request)


class Pieces(httpx.SyncByteStream):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces


@pytest.mark.parametrize(
    ("call", "kind"), [(embed, "application/json"), (generate, "text/event-stream")], ids=["whole", "stream"]
)
def test_transport_reports_an_undecodable_body_as_an_invalid_response(call: object, kind: str) -> None:
    """A proxy compressed the body, as the gateway compresses nothing; a retry would fail again."""
    waited: list[float] = []
    transport = Garbled(kind)
    with pytest.raises(GatewayError, match="cannot be decoded") as caught:
        call(transport, waited)  # type: ignore[operator]

    assert (caught.value.code, caught.value.request_id, caught.value.retryable) == ("invalid_response", "req_1", False)
    assert (transport.requests, waited) == (1, [])
