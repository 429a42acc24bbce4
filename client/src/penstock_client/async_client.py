"""The client for asyncio. `client` is its twin: what changes here changes there."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from types import TracebackType
from typing import Self, TypeVar, overload

import httpx

from penstock_client import resume
from penstock_client.chunk_iterators import AsyncChunks, AsyncStreamSource
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
from penstock_client.responses import AsyncResponses
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


class AsyncClient:
    """A gateway to call; used in one event loop, closed by `aclose` or `async with`.

    `timeout` is in seconds. Refused requests and broken connections are tried again up to `max_retries` times until
    the first event has arrived, after the pause that the gateway requires, or a growing one. With `resume`, a stream
    whose connection is cut is read on, at any gateway of that address. `on_response` is called with every response
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
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        dice: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=default_headers(api_key), timeout=timeout, limits=LIMITS, transport=transport
        )
        self._policy = RetryPolicy(max_retries)
        self._resume = resume
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
                with translated_request_errors(response):
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
            headers = ON_DISCONNECT if self._resume else {}
            response = await self._send(endpoint, request, attempt, headers)
            return await self._chunks(response, endpoint, stops=not resume.outlives_its_reader(request))

        chunks = await self._retried(once)
        try:
            yield chunks
        finally:
            await chunks.aclose()

    @asynccontextmanager
    async def resume(
        self, id_: str, endpoint: StreamEndpoint[Request, Chunk], received: int = 0
    ) -> AsyncIterator[AsyncChunks[Chunk]]:
        """Read a stream of `endpoint` again, without its first `received` events. Raises `GatewayError`.

        `id_` is the stream's `request_id`, and leaving early stops it; or the `id` of a stored response, which
        goes on when its reader leaves.
        """
        stops = not id_.startswith(resume.OF_RESPONSE)
        id_ = resume.stream_id(id_)
        wanted = resume.again(id_, endpoint.chunk)
        response = await self._send(wanted, None, 0, resume.after(received))
        chunks = await self._chunks(response, wanted, id_, received, stops=stops)
        try:
            yield chunks
        finally:
            await chunks.aclose()

    async def stop(self, id_: str) -> None:
        """Stop a stream, for all its readers; nothing of it is kept. Raises `GatewayError`."""
        await self.call(resume.stop(id_))

    @property
    def responses(self) -> AsyncResponses:
        """The functions of the Responses API."""
        return AsyncResponses(self)

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

    async def _chunks(
        self,
        response: httpx.Response,
        endpoint: StreamEndpoint[Request, Chunk],
        id_: str | None = None,
        received: int = 0,
        *,
        stops: bool,
    ) -> AsyncChunks[Chunk]:
        """The chunks of a response, with the first event received. `stops`: leaving early stops the stream."""
        source = AsyncStreamSource(self._again, self._abandon if stops else None) if self._resume else None
        chunks = AsyncChunks(response, endpoint.chunk, source, id_, received)
        try:
            check_is_stream(response.headers)
            await chunks.wait()
        except BaseException:
            await chunks.aclose()
            raise
        return chunks

    async def _abandon(self, id_: str) -> None:
        """Stop a stream that is being left; without a retry, and without an error."""
        wanted = resume.stop(id_)
        with suppress(GatewayError):
            response = await self._send(wanted, None, 0, timeout_s=STOP_TIMEOUT_S)
            await response.aclose()

    async def _again(self, id_: str, received: int, cut: StreamTruncated) -> httpx.Response:
        """A response with the rest of a stream that was cut; raises `cut` if there is none."""
        attempt = 0
        while True:
            try:
                return await self._send(resume.again(id_, object), None, attempt, resume.after(received))
            except GatewayError as error:
                delay_s = self._policy.delay_s(
                    attempt, retryable=error.retryable, hint_s=error.retry_after_s, dice=self._dice()
                )
                if delay_s is None:
                    raise cut from error
            await self._sleep(delay_s)
            attempt += 1

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
            response = await self._http.send(outgoing, stream=True)
        try:
            self._on_response(ResponseInfo.of(endpoint, response, attempt))
            if is_answer(endpoint, response.status_code):
                return response
            with translated_request_errors(response):
                body = await response.aread()
        except BaseException:
            await response.aclose()
            raise
        raise refused(response.status_code, response.headers, body, self._now())
