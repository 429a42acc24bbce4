"""Types of the client that an editor shows: `test_client_types.py` checks them with mypy; the code never runs."""

from typing import assert_type

from penstock_client import AsyncChunks, AsyncClient, Chunks, Client
from penstock_contract.endpoint_responses import (
    ChatChunk,
    ChatCompletion,
    ChatCompletionChunk,
    EmbeddingsResponse,
    EmbedResponse,
    Health,
    Model,
    ModelList,
    Readiness,
)
from penstock_contract.endpoints import (
    CANCEL_RESPONSE,
    CHAT,
    CHAT_COMPLETION,
    CHAT_COMPLETION_STREAM,
    EMBED,
    EMBEDDINGS,
    GENERATE,
    HEALTH,
    MODELS,
    READY,
    Endpoint,
    StreamEndpoint,
)
from penstock_contract.openai_responses.output_items import OutputFunctionCall, OutputMessage, OutputReasoning
from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.openai_responses.response import DeletedResponse, InputItems, InputTokensCount, ResponseObject
from penstock_contract.openai_responses.stream_events import OutputTextDelta, ResponseEvent
from penstock_contract.request.messages import Message
from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatMessage,
    ChatRequest,
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
)

COMPLETION = ChatCompletionRequest(model="m", messages=[Message("user", "hi")])


def endpoints() -> None:
    assert_type(CHAT, StreamEndpoint[ChatRequest, ChatChunk])
    assert_type(EMBED, Endpoint[EmbedRequest, EmbedResponse])
    assert_type(MODELS, Endpoint[None, ModelList])


def sync_calls(client: Client) -> None:
    assert_type(client.call(EMBED, EmbedRequest("hi")), EmbedResponse)
    assert_type(client.call(EMBED, EmbedRequest(text="hi")).embedding, list[float])
    assert_type(client.call(EMBEDDINGS, EmbeddingsRequest(model="m", input="hi")), EmbeddingsResponse)
    assert_type(client.call(CHAT_COMPLETION, COMPLETION), ChatCompletion)
    assert_type(client.call(MODELS), ModelList)
    assert_type(client.call(HEALTH), Health)
    assert_type(client.call(READY), Readiness)
    assert_type(client.embed("hi"), EmbedResponse)
    assert_type(client.models(), list[Model])
    assert_type(client.responses.create(ResponseRequest(model="m", input="hi")), ResponseObject)
    assert_type(client.responses.retrieve("resp_1").output, list[OutputMessage | OutputFunctionCall | OutputReasoning])
    assert_type(client.responses.cancel("resp_1"), ResponseObject)
    assert_type(client.responses.delete("resp_1"), DeletedResponse)
    assert_type(client.responses.input_items("resp_1", order="asc"), InputItems)
    assert_type(client.responses.input_tokens(ResponseRequest(model="m", input="hi")), InputTokensCount)


def sync_streams(client: Client) -> None:
    with client.stream(CHAT, ChatRequest([ChatMessage("user", "hi")])) as chunks:
        assert_type(chunks, Chunks[ChatChunk])
        assert_type(chunks.request_id, str | None)
        for chunk in chunks:
            assert_type(chunk, ChatChunk)
            assert_type(chunk.text, str)
    with client.stream(GENERATE, GenerateRequest("hi")) as generated:
        assert_type(list(generated), list[ChatChunk])
    with client.stream(CHAT_COMPLETION_STREAM, COMPLETION) as completion:
        assert_type(next(completion), ChatCompletionChunk)
    with client.responses.stream(ResponseRequest(model="m", input="hi")) as events:
        assert_type(events, Chunks[ResponseEvent])
        for event in events:
            if isinstance(event, OutputTextDelta):
                assert_type(event.delta, str)
    with client.chat([ChatMessage("user", "hi")], model="m") as chat, client.generate("hi") as text:
        assert_type(chat, Chunks[ChatChunk])
        assert_type(text, Chunks[ChatChunk])


async def async_calls(client: AsyncClient) -> None:
    assert_type(await client.call(EMBED, EmbedRequest("hi")), EmbedResponse)
    assert_type(await client.call(CHAT_COMPLETION, COMPLETION), ChatCompletion)
    assert_type(await client.call(MODELS), ModelList)
    assert_type(await client.embed("hi"), EmbedResponse)
    assert_type(await client.models(), list[Model])
    assert_type(await client.responses.create(ResponseRequest(model="m", input="hi")), ResponseObject)
    assert_type(await client.responses.input_items("resp_1"), InputItems)
    assert_type(await client.call(CANCEL_RESPONSE.at(response_id="resp_1")), ResponseObject)


async def async_streams(client: AsyncClient) -> None:
    async with client.stream(CHAT, ChatRequest([ChatMessage("user", "hi")])) as chunks:
        assert_type(chunks, AsyncChunks[ChatChunk])
        async for chunk in chunks:
            assert_type(chunk, ChatChunk)
    async with client.stream(CHAT_COMPLETION_STREAM, COMPLETION) as completion:
        assert_type([chunk async for chunk in completion], list[ChatCompletionChunk])
    async with client.responses.resume("resp_1", starting_after=4) as events:
        assert_type(events, AsyncChunks[ResponseEvent])
    async with client.chat([ChatMessage("user", "hi")]) as chat, client.generate("hi", model="m") as text:
        assert_type(chat, AsyncChunks[ChatChunk])
        assert_type(text, AsyncChunks[ChatChunk])
