"""The endpoints of the simple dialect: `/api/chat`, `/api/generate`, `/api/embed`. `model` is optional here."""

from litestar.params import JSONBody

from penstock_contract.ai_sdk.ui_chat_body import ApiChatBody, read_api_chat
from penstock_contract.endpoint_responses import EmbedResponse
from penstock_contract.endpoints import CHAT, EMBED, GENERATE
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import plain_chat
from penstock_contract.request.embeddings_body import plain_embeddings
from penstock_contract.request.messages import Message
from penstock_contract.request.operations import ChatRequest, EmbedRequest, GenerateRequest
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.endpoint_handler import answers, streams
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openapi.operations import API_CHAT_STREAM, ERRORS, SIMPLE_STREAM, ApiChatOperation
from penstock_gateway.api.ui_chat import stream_ui_chat
from penstock_gateway.streaming.output.sse_response import EventStream
from penstock_gateway.streaming.renderers.dialects import SIMPLE
from penstock_gateway.streaming.renderers.embeddings_collector import EmbeddingsCollector, float_vector


@streams(
    CHAT,
    reader=read_api_chat,
    responses={200: API_CHAT_STREAM, **ERRORS},
    operation_class=ApiChatOperation,
)
async def chat(data: JSONBody[ApiChatBody], request: ClientRequest, api: ApiDependencies) -> EventStream:
    """Stream the answer to a conversation, in the dialect of its messages: the simple one, or the AI SDK's."""
    if data.ui is not None:
        return await stream_ui_chat(data.ui, request, api)
    assert data.simple is not None
    messages = [Message(role=message.role, content=message.content) for message in data.simple.messages]
    return await _stream(messages, data.simple, request, api)


@streams(GENERATE, responses={200: SIMPLE_STREAM, **ERRORS})
async def generate(data: JSONBody[GenerateRequest], request: ClientRequest, api: ApiDependencies) -> EventStream:
    """Stream the answer to a prompt."""
    messages = [Message(role="user", content=data.prompt)]
    return await _stream(messages, data, request, api)


@answers(EMBED, responses=ERRORS)
async def embed(data: JSONBody[EmbedRequest], request: ClientRequest, api: ApiDependencies) -> EmbedResponse:
    """The embedding vector of a text."""
    resolution = api.resolve(data.model, "Embedding", request.context)
    collector = EmbeddingsCollector(resolution.model)
    await api.dispatcher.collect(resolution, plain_embeddings(data.text), collector, request.context)
    vectors = collector.vectors()
    if not vectors:
        raise PenstockError("provider_stream_broken", "the provider's answer has no vector")
    vector = float_vector(vectors[0])
    return EmbedResponse(vector, len(vector))


async def _stream(
    messages: list[Message], data: ChatRequest | GenerateRequest, request: ClientRequest, api: ApiDependencies
) -> EventStream:
    if data.stream is False:
        raise PenstockError(
            "invalid_request",
            "stream: this endpoint always streams; leave the field out, or use /v1/chat/completions",
            param="stream",
        )
    resolution = api.resolve(data.model, "Chat", request.context)
    rendering = Rendering(SIMPLE, resolution.model, 0)
    operation = plain_chat(messages)
    opened = await api.streams.open(resolution, operation, rendering, request.context, request.scope["headers"])
    return EventStream(api.streams, opened)
