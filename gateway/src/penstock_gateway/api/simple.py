"""The seed's doors: `/api/chat`, `/api/generate`, `/api/embed`. `model` is optional here."""

from litestar import Response, post
from litestar.params import JSONBody

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import plain_chat
from penstock_contract.request.embeddings_body import plain_embeddings
from penstock_contract.request.messages import Message
from penstock_contract.request.operations import ChatRequest, EmbedRequest, GenerateRequest
from penstock_contract.responses import EmbedResponse
from penstock_gateway.access.authentication import caller_of
from penstock_gateway.api.dependencies import Desk
from penstock_gateway.api.documentation import ERRORS, SSE_SEED
from penstock_gateway.api.json_request import READER, ClientRequest, strict
from penstock_gateway.streaming.renderers.openai import EmbeddingsCollector, float_vector
from penstock_gateway.streaming.renderers.simple import SeedRenderer
from penstock_gateway.streaming.request_context import client_of
from penstock_gateway.streaming.sse_response import EventStream


@post("/api/chat", status_code=200, responses={200: SSE_SEED, **ERRORS}, opt={READER: strict(ChatRequest)})
async def chat(data: JSONBody[ChatRequest], request: ClientRequest, desk: Desk) -> Response[None]:
    """Stream the answer to a conversation."""
    messages = [Message(role=message.role, content=message.content) for message in data.messages]
    return await _stream(messages, data, request, desk)


@post("/api/generate", status_code=200, responses={200: SSE_SEED, **ERRORS}, opt={READER: strict(GenerateRequest)})
async def generate(data: JSONBody[GenerateRequest], request: ClientRequest, desk: Desk) -> Response[None]:
    """Stream the answer to a prompt."""
    messages = [Message(role="user", content=data.prompt)]
    return await _stream(messages, data, request, desk)


@post("/api/embed", status_code=200, responses=ERRORS, opt={READER: strict(EmbedRequest)})
async def embed(data: JSONBody[EmbedRequest], request: ClientRequest, desk: Desk) -> EmbedResponse:
    """The embedding vector of a text."""
    caller = caller_of(request.scope)
    resolution = desk.catalogue.resolve(data.model, "Embedding", caller.may_use)
    collector = EmbeddingsCollector(resolution.model)
    operation = plain_embeddings(data.text)
    await desk.dispatcher.collect(resolution, operation, collector, client_of(request.scope, request.receive))
    vectors = collector.vectors()
    if not vectors:
        raise PenstockError("provider_stream_broken", "the provider answered without a vector")
    vector = float_vector(vectors[0])
    return EmbedResponse(vector, len(vector))


async def _stream(
    messages: list[Message], data: ChatRequest | GenerateRequest, request: ClientRequest, desk: Desk
) -> Response[None]:
    if data.stream is False:
        raise PenstockError(
            "invalid_request",
            "stream: this endpoint always streams; leave the field out, or use /v1/chat/completions",
            param="stream",
        )
    caller = caller_of(request.scope)
    resolution = desk.catalogue.resolve(data.model, "Chat", caller.may_use)
    client = client_of(request.scope, request.receive)
    opened = await desk.dispatcher.open(resolution, plain_chat(messages), SeedRenderer(), client)
    return EventStream(opened)
