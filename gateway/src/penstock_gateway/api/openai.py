"""OpenAI's doors: chat completions, embeddings, models."""

import time
from typing import Any

from litestar import Response, get, post
from litestar.params import JSONBody

from penstock_contract.catalogue import CatalogueEntry, no_model
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import ChatBody, read_chat
from penstock_contract.request.chat_fields import EMBEDDINGS_KNOWN, check_names
from penstock_contract.request.embeddings_body import EmbeddingsBody, read_embeddings
from penstock_contract.responses import EmbeddingsResponse, Model, ModelList
from penstock_gateway.access.authentication import caller_of
from penstock_gateway.api.dependencies import Desk
from penstock_gateway.api.documentation import CHAT_COMPLETION, ERRORS, ChatCompletionOperation
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import READER, ClientRequest
from penstock_gateway.http.request_middleware import request_id_of
from penstock_gateway.streaming.renderers.openai import ChatCollector, ChatStreamRenderer, EmbeddingsCollector
from penstock_gateway.streaming.request_context import client_of
from penstock_gateway.streaming.sse_response import EventStream


@post(
    "/v1/chat/completions",
    status_code=200,
    responses={200: CHAT_COMPLETION, **ERRORS},
    operation_class=ChatCompletionOperation,
    opt={READER: read_chat},
)
async def chat_completions(data: JSONBody[ChatBody], request: ClientRequest, desk: Desk) -> Response[Any]:
    """A chat completion, whole or as a stream."""
    caller = caller_of(request.scope)
    resolution = desk.catalogue.resolve(data.model, "Chat", caller.may_use)
    check_names(data.fields, resolution.entry.spec.providers)
    client = client_of(request.scope, request.receive)
    request_id = request_id_of(request.scope)
    completion_id = f"chatcmpl-{request_id.removeprefix('req_')}"
    created = int(time.time())
    if data.stream:
        renderer = ChatStreamRenderer(completion_id, created, data.model, include_usage=data.include_usage)
        opened = await desk.dispatcher.open(resolution, data.operation, renderer, client)
        name_ignored(request.scope, data.fields, resolution, opened.stream.provider, body=data.operation.body)
        return EventStream(opened)
    collector = ChatCollector(completion_id, created, data.model)
    provider = await desk.dispatcher.collect(resolution, data.operation, collector, client)
    name_ignored(request.scope, data.fields, resolution, provider, body=data.operation.body)
    return Response(collector.completion(), media_type="application/json")


@post("/v1/embeddings", status_code=200, responses=ERRORS, opt={READER: read_embeddings})
async def embeddings(data: JSONBody[EmbeddingsBody], request: ClientRequest, desk: Desk) -> EmbeddingsResponse:
    """Embedding vectors of one text or several."""
    caller = caller_of(request.scope)
    resolution = desk.catalogue.resolve(data.model, "Embedding", caller.may_use)
    check_names(data.fields, resolution.entry.spec.providers, known=EMBEDDINGS_KNOWN)
    collector = EmbeddingsCollector(data.model)
    client = client_of(request.scope, request.receive)
    provider = await desk.dispatcher.collect(resolution, data.operation, collector, client)
    name_ignored(request.scope, data.fields, resolution, provider, known=EMBEDDINGS_KNOWN)
    response = collector.response(data.encoding_format)
    if len(response.data) != data.operation.count:
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
