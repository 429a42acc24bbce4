"""The client for asyncio. `client` is its twin: what changes here changes there."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar, overload

import httpx

from penstock_client.chunks import AsyncChunks
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


class AsyncClient:
    """A gateway to call; used in one event loop, closed by `aclose` or `async with`.

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
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        dice: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=default_headers(api_key), timeout=timeout, limits=LIMITS, transport=transport
        )
        self._policy = RetryPolicy(max_retries)
        self._on_response = on_response
        self._sleep = sleep
        self._dice = dice
        self._now = now

    @overload
    async def call(self, endpoint: Endpoint[None, Response]) -> Response: ...
    @overload
    async def call(self, endpoint: Endpoint[Request, Response], request: Request) -> Response: ...
    async def call(self, endpoint: Endpoint[Request, Response], request: Request | None = None) -> Response:
        """Send `request` and return the typed answer; raises `GatewayError`."""

        async def once(attempt: int) -> Response:
            response = await self._send(endpoint, request, attempt)
            try:
                with before_the_answer(response):
                    body = await response.aread()
            finally:
                await response.aclose()
            return answer(endpoint, response.headers, body)

        return await self._retried(once)

    @asynccontextmanager
    async def stream(
        self, endpoint: StreamEndpoint[Request, Chunk], request: Request
    ) -> AsyncIterator[AsyncChunks[Chunk]]:
        """Enter to send `request` and wait for the first event; iterate for chunks; leave to close.

        All retries happen on entering. Leaving early, or being cancelled, closes the connection, and the gateway stops
        the provider. Raises `GatewayError`, while iterating too; `StreamTruncated` if the answer is cut off.
        """

        async def once(attempt: int) -> AsyncChunks[Chunk]:
            response = await self._send(endpoint, request, attempt)
            chunks = AsyncChunks(response, endpoint.chunk)
            try:
                check_is_stream(response.headers)
                await chunks.wait()
            except BaseException:
                await chunks.aclose()
                raise
            return chunks

        chunks = await self._retried(once)
        try:
            yield chunks
        finally:
            await chunks.aclose()

    def chat(
        self, messages: Sequence[ChatMessage], model: str | None = None
    ) -> AbstractAsyncContextManager[AsyncChunks[ChatChunk]]:
        return self.stream(CHAT, ChatRequest(list(messages), model))

    def generate(self, prompt: str, model: str | None = None) -> AbstractAsyncContextManager[AsyncChunks[ChatChunk]]:
        return self.stream(GENERATE, GenerateRequest(prompt, model))

    async def embed(self, text: str, model: str | None = None) -> EmbedResponse:
        return await self.call(EMBED, EmbedRequest(text, model))

    async def models(self) -> list[Model]:
        return (await self.call(MODELS)).data

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _retried(self, once: Callable[[int], Awaitable[Outcome]]) -> Outcome:
        attempt = 0
        while True:
            try:
                return await once(attempt)
            except GatewayError as error:
                delay_s = self._policy.delay_s(
                    attempt, retryable=error.retryable, hint_s=error.retry_after_s, dice=self._dice()
                )
                if delay_s is None:
                    raise
            await self._sleep(delay_s)
            attempt += 1

    async def _send(
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
            response = await self._http.send(outgoing, stream=True)
        try:
            self._on_response(Exchange.of(endpoint, response, attempt))
            if is_answer(endpoint, response.status_code):
                return response
            with before_the_answer(response):
                body = await response.aread()
        except BaseException:
            await response.aclose()
            raise
        raise refused(response.status_code, response.headers, body, self._now())
