"""The client for programs without an event loop. `async_client` is its twin: what changes here changes there."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from types import TracebackType
from typing import Self, TypeVar, overload

import httpx

from penstock_client import resume
from penstock_client.chunk_iterators import Chunks, StreamSource
from penstock_client.errors import GatewayError, StreamTruncated, refused
from penstock_client.http_messages import (
    DEFAULT_TIMEOUT,
    DEFAULT_URL,
    LIMITS,
    OnResponse,
    ResponseInfo,
    answer,
    check_is_stream,
    content,
    default_headers,
    headers_for,
    ignore,
    is_answer,
    query,
)
from penstock_client.responses import Responses
from penstock_client.resume import ON_DISCONNECT, STOP_TIMEOUT_S
from penstock_client.retries import RetryPolicy
from penstock_client.transport import translated_request_errors
from penstock_contract.endpoint_responses import ChatChunk, EmbedResponse, Model
from penstock_contract.endpoints import CHAT, EMBED, GENERATE, MODELS, Endpoint, StreamEndpoint
from penstock_contract.request.operations import ChatMessage, ChatRequest, EmbedRequest, GenerateRequest

Request = TypeVar("Request")
Response = TypeVar("Response")
Chunk = TypeVar("Chunk")
Outcome = TypeVar("Outcome")


NO_HEADERS: Mapping[str, str] = {}


class Client:
    """A gateway to call; safe to share between threads, closed by `close` or `with`.

    `timeout` is in seconds. Refused requests and broken connections are tried again up to `max_retries` times until
    the first event has arrived, after the pause that the gateway requires, or a growing one. With `resume`, a stream
    whose connection is cut is read on, at any gateway of that address. `on_response` sees every response
    with its request id. `transport`, `sleep`, `dice` and `now` are for tests.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float | httpx.Timeout = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        resume: bool = True,
        on_response: OnResponse = ignore,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        dice: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = httpx.Client(
            base_url=base_url, headers=default_headers(api_key), timeout=timeout, limits=LIMITS, transport=transport
        )
        self._policy = RetryPolicy(max_retries)
        self._resume = resume
        self._on_response = on_response
        self._sleep = sleep
        self._dice = dice
        self._now = now

    @overload
    def call(self, endpoint: Endpoint[None, Response]) -> Response: ...
    @overload
    def call(self, endpoint: Endpoint[Request, Response], request: Request) -> Response: ...
    def call(self, endpoint: Endpoint[Request, Response], request: Request | None = None) -> Response:
        """Send `request` and return the typed answer; raises `GatewayError`."""

        def once(attempt: int) -> Response:
            response = self._send(endpoint, request, attempt)
            with closing(response), translated_request_errors(response):
                body = response.read()
            return answer(endpoint, response.headers, body)

        return self._retried(once)

    @contextmanager
    def stream(self, endpoint: StreamEndpoint[Request, Chunk], request: Request) -> Iterator[Chunks[Chunk]]:
        """Enter to send `request` and wait for the first event; iterate for chunks; leave to close.

        All retries happen on entering. Leaving early closes the connection, and the gateway stops the provider.
        Raises `GatewayError`, while iterating too; `StreamTruncated` if the answer is cut off.
        """

        def once(attempt: int) -> Chunks[Chunk]:
            headers = ON_DISCONNECT if self._resume else {}
            response = self._send(endpoint, request, attempt, headers)
            return self._chunks(response, endpoint, stops=not resume.outlives_its_reader(request))

        chunks = self._retried(once)
        try:
            yield chunks
        finally:
            chunks.close()

    @contextmanager
    def resume(self, id_: str, endpoint: StreamEndpoint[Request, Chunk], received: int = 0) -> Iterator[Chunks[Chunk]]:
        """Read a stream of `endpoint` again, without its first `received` events. Raises `GatewayError`.

        `id_` is the stream's `request_id`, and leaving early stops it; or the `id` of a stored response, which
        goes on when its reader leaves.
        """
        stops = not id_.startswith(resume.OF_RESPONSE)
        id_ = resume.stream_id(id_)
        wanted = resume.again(id_, endpoint.chunk)
        response = self._send(wanted, None, 0, resume.after(received))
        chunks = self._chunks(response, wanted, id_, received, stops=stops)
        try:
            yield chunks
        finally:
            chunks.close()

    def stop(self, id_: str) -> None:
        """Stop a stream, for all its readers; nothing of it is kept. Raises `GatewayError`."""
        self.call(resume.stop(id_))

    @property
    def responses(self) -> Responses:
        """The functions of the Responses API."""
        return Responses(self)

    def chat(
        self, messages: Sequence[ChatMessage], model: str | None = None
    ) -> AbstractContextManager[Chunks[ChatChunk]]:
        return self.stream(CHAT, ChatRequest(list(messages), model))

    def generate(self, prompt: str, model: str | None = None) -> AbstractContextManager[Chunks[ChatChunk]]:
        return self.stream(GENERATE, GenerateRequest(prompt, model))

    def embed(self, text: str, model: str | None = None) -> EmbedResponse:
        return self.call(EMBED, EmbedRequest(text, model))

    def models(self) -> list[Model]:
        return self.call(MODELS).data

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _chunks(
        self,
        response: httpx.Response,
        endpoint: StreamEndpoint[Request, Chunk],
        id_: str | None = None,
        received: int = 0,
        *,
        stops: bool,
    ) -> Chunks[Chunk]:
        """The chunks of a response, with the first event received. `stops`: leaving early stops the stream."""
        source = StreamSource(self._again, self._abandon if stops else None) if self._resume else None
        chunks = Chunks(response, endpoint.chunk, source, id_, received)
        try:
            check_is_stream(response.headers)
            chunks.wait()
        except BaseException:
            chunks.close()
            raise
        return chunks

    def _abandon(self, id_: str) -> None:
        """Stop a stream that is being left; without a retry, and without an error."""
        wanted = resume.stop(id_)
        with suppress(GatewayError):
            response = self._send(wanted, None, 0, timeout_s=STOP_TIMEOUT_S)
            response.close()

    def _again(self, id_: str, received: int, cut: StreamTruncated) -> httpx.Response:
        """A response with the rest of a stream that was cut; raises `cut` if there is none."""
        attempt = 0
        while True:
            try:
                return self._send(resume.again(id_, object), None, attempt, resume.after(received))
            except GatewayError as error:
                delay_s = self._policy.delay_s(
                    attempt, retryable=error.retryable, hint_s=error.retry_after_s, dice=self._dice()
                )
                if delay_s is None:
                    raise cut from error
            self._sleep(delay_s)
            attempt += 1

    def _retried(self, once: Callable[[int], Outcome]) -> Outcome:
        attempt = 0
        while True:
            try:
                return once(attempt)
            except GatewayError as error:
                delay_s = self._policy.delay_s(
                    attempt, retryable=error.retryable, hint_s=error.retry_after_s, dice=self._dice()
                )
                if delay_s is None:
                    raise
            self._sleep(delay_s)
            attempt += 1

    def _send(
        self,
        endpoint: Endpoint[Request, Response] | StreamEndpoint[Request, Chunk],
        request: Request | None,
        attempt: int,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Return a response that brings an answer, its body unread; raises `GatewayError`."""
        outgoing = self._http.build_request(
            endpoint.method,
            endpoint.path,
            params=query(endpoint, request),
            content=content(endpoint, request),
            headers={**headers_for(endpoint), **headers},
            timeout=httpx.USE_CLIENT_DEFAULT if timeout_s is None else timeout_s,
        )
        with translated_request_errors():
            response = self._http.send(outgoing, stream=True)
        try:
            self._on_response(ResponseInfo.of(endpoint, response, attempt))
            if is_answer(endpoint, response.status_code):
                return response
            with translated_request_errors(response):
                body = response.read()
        except BaseException:
            response.close()
            raise
        raise refused(response.status_code, response.headers, body, self._now())
