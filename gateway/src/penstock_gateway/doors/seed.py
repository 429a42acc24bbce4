"""The seed's doors: `/api/chat`, `/api/generate`, `/api/embed`. `model` is optional here."""

from litestar import Response, post
from litestar.params import JSONBody

from penstock_contract.catalogue import Resolution
from penstock_contract.errors import PenstockError
from penstock_contract.messages import Message
from penstock_contract.requests import (
    ChatOperation,
    ChatRequest,
    EmbeddingsOperation,
    EmbedRequest,
    GenerateRequest,
)
from penstock_contract.responses import EmbedResponse
from penstock_gateway.desk import Desk, HttpRequest
from penstock_gateway.dispatch import Dispatcher
from penstock_gateway.doors.documentation import ERRORS, SSE_SEED
from penstock_gateway.envelope import request_id_of
from penstock_gateway.event_stream import EventStream
from penstock_gateway.renderers.openai import EmbeddingsCollector, float_vector
from penstock_gateway.renderers.seed import SeedRenderer


@post("/api/chat", status_code=200, responses={200: SSE_SEED, **ERRORS})
async def chat(data: JSONBody[ChatRequest], request: HttpRequest, desk: Desk) -> Response[None]:
    """Stream the answer to a conversation."""
    messages = [Message(role=message.role, content=message.content) for message in data.messages]
    return await _stream(messages, desk.catalogue.resolve(data.model, "Chat"), request, desk.dispatcher)


@post("/api/generate", status_code=200, responses={200: SSE_SEED, **ERRORS})
async def generate(data: JSONBody[GenerateRequest], request: HttpRequest, desk: Desk) -> Response[None]:
    """Stream the answer to a prompt."""
    messages = [Message(role="user", content=data.prompt)]
    return await _stream(messages, desk.catalogue.resolve(data.model, "Chat"), request, desk.dispatcher)


@post("/api/embed", status_code=200, responses=ERRORS)
async def embed(data: JSONBody[EmbedRequest], request: HttpRequest, desk: Desk) -> EmbedResponse:
    """The embedding vector of a text."""
    resolution = desk.catalogue.resolve(data.model, "Embedding")
    collector = EmbeddingsCollector(resolution.model)
    await desk.dispatcher.collect(
        resolution, EmbeddingsOperation(input=[data.text]), collector, request_id_of(request.scope), request.receive
    )
    vectors = collector.vectors()
    if not vectors:
        raise PenstockError("provider_stream_broken", "the provider answered without a vector")
    vector = float_vector(vectors[0])
    return EmbedResponse(vector, len(vector))


async def _stream(
    messages: list[Message], resolution: Resolution, request: HttpRequest, dispatcher: Dispatcher
) -> Response[None]:
    operation = ChatOperation(messages=messages)
    opened = await dispatcher.open(resolution, operation, SeedRenderer(), request_id_of(request.scope), request.receive)
    return EventStream(opened)
