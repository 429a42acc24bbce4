"""OpenAI's doors: chat completions, embeddings, models."""

import time
from typing import Any

from litestar import Response, get, post
from litestar.params import JSONBody

from penstock_contract.catalogue import CatalogueEntry, no_model
from penstock_contract.errors import PenstockError
from penstock_contract.requests import ChatCompletionRequest, EmbeddingsRequest, chat_operation, embeddings_operation
from penstock_contract.responses import EmbeddingsResponse, Model, ModelList
from penstock_gateway.authentication import caller_of
from penstock_gateway.body import ClientRequest
from penstock_gateway.client import client_of
from penstock_gateway.desk import Desk
from penstock_gateway.doors.documentation import CHAT_COMPLETION, ERRORS, ChatCompletionOperation
from penstock_gateway.envelope import request_id_of
from penstock_gateway.event_stream import EventStream
from penstock_gateway.renderers.openai import ChatCollector, ChatStreamRenderer, EmbeddingsCollector


@post(
    "/v1/chat/completions",
    status_code=200,
    responses={200: CHAT_COMPLETION, **ERRORS},
    operation_class=ChatCompletionOperation,
)
async def chat_completions(data: JSONBody[ChatCompletionRequest], request: ClientRequest, desk: Desk) -> Response[Any]:
    """A chat completion, whole or as a stream."""
    caller = caller_of(request.scope)
    resolution = desk.catalogue.resolve(data.model, "Chat", caller.may_use)
    request_id = request_id_of(request.scope)
    completion_id = f"chatcmpl-{request_id.removeprefix('req_')}"
    created = int(time.time())
    operation = chat_operation(data, await request.json())
    if data.stream:
        include_usage = data.stream_options is not None and data.stream_options.include_usage
        renderer = ChatStreamRenderer(completion_id, created, data.model, include_usage=include_usage)
        opened = await desk.dispatcher.open(resolution, operation, renderer, client_of(request.scope, request.receive))
        return EventStream(opened)
    collector = ChatCollector(completion_id, created, data.model)
    await desk.dispatcher.collect(resolution, operation, collector, client_of(request.scope, request.receive))
    return Response(collector.completion(), media_type="application/json")


@post("/v1/embeddings", status_code=200, responses=ERRORS)
async def embeddings(data: JSONBody[EmbeddingsRequest], request: ClientRequest, desk: Desk) -> EmbeddingsResponse:
    """Embedding vectors of one text or several."""
    caller = caller_of(request.scope)
    resolution = desk.catalogue.resolve(data.model, "Embedding", caller.may_use)
    operation = embeddings_operation(data)
    collector = EmbeddingsCollector(data.model)
    await desk.dispatcher.collect(resolution, operation, collector, client_of(request.scope, request.receive))
    response = collector.response(data.encoding_format)
    if len(response.data) != len(operation.input):
        raise PenstockError("provider_stream_broken", "the provider answered with too few vectors")
    return response


@get("/v1/models")
async def models(request: ClientRequest, desk: Desk) -> ModelList:
    """The models that can be asked for now, with the key that asks."""
    return ModelList([_model(name, entry) for name, entry in desk.catalogue.models(caller_of(request.scope).may_use)])


@get("/v1/models/{model_id:path}", responses=ERRORS)
async def model(model_id: str, request: ClientRequest, desk: Desk) -> Model:
    """One model; its id may contain slashes."""
    wanted = model_id.removeprefix("/")
    for name, entry in desk.catalogue.models(caller_of(request.scope).may_use):
        if name == wanted:
            return _model(name, entry)
    raise no_model(wanted)


def _model(name: str, entry: CatalogueEntry) -> Model:
    return Model(name, entry.created_at, entry.key)
