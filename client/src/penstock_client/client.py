"""The client for programs without an event loop. `async_client` is its twin: what changes here changes there."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from types import TracebackType
from typing import Self, TypeVar, overload

import httpx

from penstock_client.chunks import Chunks
from penstock_client.errors import GatewayError, refused
from penstock_client.exchange import (
    DEFAULT_TIMEOUT,
    DEFAULT_URL,
    LIMITS,
    Exchange,
    OnResponse,
    answer,
    check_is_stream,
    content,
    default_headers,
    headers_for,
    ignore,
    is_answer,
)
from penstock_client.retries import RetryPolicy
from penstock_client.transport import before_the_answer
from penstock_contract.endpoints import CHAT, EMBED, GENERATE, MODELS, Endpoint, StreamEndpoint
from penstock_contract.request.operations import ChatMessage, ChatRequest, EmbedRequest, GenerateRequest
from penstock_contract.responses import ChatChunk, EmbedResponse, Model

Request = TypeVar("Request")
Response = TypeVar("Response")
Chunk = TypeVar("Chunk")
Outcome = TypeVar("Outcome")


class Client:
    """A gateway to call; safe to share between threads, closed by `close` or `with`.

    `timeout` is in seconds. Refused requests and broken connections are tried again up to `max_retries` times until
    the first event has arrived, after what the gateway asks for or a growing pause. `on_response` sees every response
    with its request id. `transport`, `sleep`, `dice` and `now` are for tests.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float | httpx.Timeout = DEFAULT_TIMEOUT,
        max_retries: int = 2,
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
            with closing(response), before_the_answer(response):
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
            response = self._send(endpoint, request, attempt)
            chunks = Chunks(response, endpoint.chunk)
            try:
                check_is_stream(response.headers)
                chunks.wait()
            except BaseException:
                chunks.close()
                raise
            return chunks

        chunks = self._retried(once)
        try:
            yield chunks
        finally:
            chunks.close()

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
    ) -> httpx.Response:
        """Return a response that brings an answer, its body unread; raises `GatewayError`."""
        outgoing = self._http.build_request(
            endpoint.method, endpoint.path, content=content(endpoint, request), headers=headers_for(endpoint)
        )
        with before_the_answer():
            response = self._http.send(outgoing, stream=True)
        try:
            self._on_response(Exchange.of(endpoint, response, attempt))
            if is_answer(endpoint, response.status_code):
                return response
            with before_the_answer(response):
                body = response.read()
        except BaseException:
            response.close()
            raise
        raise refused(response.status_code, response.headers, body, self._now())
