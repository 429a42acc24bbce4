"""The functions of the Responses API, for both clients: which endpoint each calls, and with what. No IO of its own."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Literal, Protocol, TypeVar, overload

from penstock_client.chunk_iterators import AsyncChunks, Chunks
from penstock_contract.endpoints import (
    CANCEL_RESPONSE,
    DELETE_RESPONSE,
    RESPONSE,
    RESPONSE_INPUT_ITEMS,
    RESPONSE_INPUT_TOKENS,
    RESPONSE_STREAM,
    STORED_RESPONSE,
    Endpoint,
    StreamEndpoint,
)
from penstock_contract.openai_responses.request import InputItemsQuery, ResponseRequest
from penstock_contract.openai_responses.response import (
    DeletedResponse,
    InputItems,
    InputTokensCount,
    ResponseObject,
)
from penstock_contract.openai_responses.stream_events import ResponseEvent

Request = TypeVar("Request")
Response = TypeVar("Response")
Chunk = TypeVar("Chunk")


class ResponseCalls(Protocol):
    """The part of `Client` that the functions use."""

    @overload
    def call(self, endpoint: Endpoint[None, Response]) -> Response: ...
    @overload
    def call(self, endpoint: Endpoint[Request, Response], request: Request) -> Response: ...
    def stream(
        self, endpoint: StreamEndpoint[Request, Chunk], request: Request
    ) -> AbstractContextManager[Chunks[Chunk]]: ...
    def resume(
        self, id_: str, endpoint: StreamEndpoint[Request, Chunk], received: int = 0
    ) -> AbstractContextManager[Chunks[Chunk]]: ...


class AsyncResponseCalls(Protocol):
    """The part of `AsyncClient` that the functions use."""

    @overload
    async def call(self, endpoint: Endpoint[None, Response]) -> Response: ...
    @overload
    async def call(self, endpoint: Endpoint[Request, Response], request: Request) -> Response: ...
    def stream(
        self, endpoint: StreamEndpoint[Request, Chunk], request: Request
    ) -> AbstractAsyncContextManager[AsyncChunks[Chunk]]: ...
    def resume(
        self, id_: str, endpoint: StreamEndpoint[Request, Chunk], received: int = 0
    ) -> AbstractAsyncContextManager[AsyncChunks[Chunk]]: ...


class Responses:
    """`client.responses`. Every method raises `GatewayError`.

    The functions of stored responses need a route with `spec.streams.keepSeconds`.
    """

    def __init__(self, client: ResponseCalls) -> None:
        self._client = client

    def create(self, request: ResponseRequest) -> ResponseObject:
        """The whole response, or, of a request with `background`, the queued one."""
        return self._client.call(RESPONSE, request)

    def stream(self, request: ResponseRequest) -> AbstractContextManager[Chunks[ResponseEvent]]:
        """Events of the response; the last has its whole output. Leaving early stops it, unless `background`."""
        return self._client.stream(RESPONSE_STREAM, request)

    def resume(self, id_: str, starting_after: int | None = None) -> AbstractContextManager[Chunks[ResponseEvent]]:
        """Events of a stored response behind the one with this `sequence_number`. Leaving early does not stop it."""
        received = 0 if starting_after is None else starting_after + 1
        return self._client.resume(id_, RESPONSE_STREAM, received)

    def retrieve(self, id_: str) -> ResponseObject:
        """The stored response as it is now; its output is there when it has ended."""
        return self._client.call(STORED_RESPONSE.at(response_id=id_))

    def cancel(self, id_: str) -> ResponseObject:
        """End a background response, which stays readable."""
        return self._client.call(CANCEL_RESPONSE.at(response_id=id_))

    def delete(self, id_: str) -> DeletedResponse:
        """End a response that is in progress, and delete everything of it."""
        return self._client.call(DELETE_RESPONSE.at(response_id=id_))

    def input_items(
        self, id_: str, *, limit: int = 20, order: Literal["asc", "desc"] = "desc", after: str | None = None
    ) -> InputItems:
        """A page of the input of a stored response, newest first."""
        page = InputItemsQuery(limit=limit, order=order, after=after)
        return self._client.call(RESPONSE_INPUT_ITEMS.at(response_id=id_), page)

    def input_tokens(self, request: ResponseRequest) -> InputTokensCount:
        """The tokens of a request's input, as limits and budgets estimate them."""
        return self._client.call(RESPONSE_INPUT_TOKENS, request)


class AsyncResponses:
    """`Responses` for asyncio."""

    def __init__(self, client: AsyncResponseCalls) -> None:
        self._client = client

    async def create(self, request: ResponseRequest) -> ResponseObject:
        """The whole response, or, of a request with `background`, the queued one."""
        return await self._client.call(RESPONSE, request)

    def stream(self, request: ResponseRequest) -> AbstractAsyncContextManager[AsyncChunks[ResponseEvent]]:
        """Events of the response; the last has its whole output. Leaving early stops it, unless `background`."""
        return self._client.stream(RESPONSE_STREAM, request)

    def resume(
        self, id_: str, starting_after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncChunks[ResponseEvent]]:
        """Events of a stored response behind the one with this `sequence_number`. Leaving early does not stop it."""
        received = 0 if starting_after is None else starting_after + 1
        return self._client.resume(id_, RESPONSE_STREAM, received)

    async def retrieve(self, id_: str) -> ResponseObject:
        """The stored response as it is now; its output is there when it has ended."""
        return await self._client.call(STORED_RESPONSE.at(response_id=id_))

    async def cancel(self, id_: str) -> ResponseObject:
        """End a background response, which stays readable."""
        return await self._client.call(CANCEL_RESPONSE.at(response_id=id_))

    async def delete(self, id_: str) -> DeletedResponse:
        """End a response that is in progress, and delete everything of it."""
        return await self._client.call(DELETE_RESPONSE.at(response_id=id_))

    async def input_items(
        self, id_: str, *, limit: int = 20, order: Literal["asc", "desc"] = "desc", after: str | None = None
    ) -> InputItems:
        """A page of the input of a stored response, newest first."""
        page = InputItemsQuery(limit=limit, order=order, after=after)
        return await self._client.call(RESPONSE_INPUT_ITEMS.at(response_id=id_), page)

    async def input_tokens(self, request: ResponseRequest) -> InputTokensCount:
        """The tokens of a request's input, as limits and budgets estimate them."""
        return await self._client.call(RESPONSE_INPUT_TOKENS, request)
