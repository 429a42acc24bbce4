"""The endpoints of OpenAI's dialect: chat completions, embeddings, models."""

from typing import Any

from litestar import Response, get
from litestar.params import JSONBody

from penstock_contract.catalogue import CatalogueEntry, no_model
from penstock_contract.endpoints import CHAT_COMPLETION, EMBEDDINGS, MODELS
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import ChatBody, read_chat_completion
from penstock_contract.request.chat_fields import EMBEDDINGS_KNOWN, check_demands, check_names
from penstock_contract.request.embeddings_body import EmbeddingsBody, read_embeddings
from penstock_contract.responses import EmbeddingsResponse, Model, ModelList
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.documentation import CHAT_COMPLETION_ANSWER, ERRORS, ChatCompletionOperation
from penstock_gateway.api.endpoint_handler import answers
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.choices import ChoicesCollector
from penstock_gateway.streaming.renderers.dialects import CHAT, completion_id, options_of
from penstock_gateway.streaming.renderers.embeddings_collector import EmbeddingsCollector
from penstock_gateway.streaming.sse_response import EventStream


@answers(
    CHAT_COMPLETION,
    reader=read_chat_completion,
    responses={200: CHAT_COMPLETION_ANSWER, **ERRORS},
    operation_class=ChatCompletionOperation,
)
async def chat_completions(data: JSONBody[ChatBody], request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    """A chat completion, whole or as a stream."""
    context = request.context
    resolution = api.resolve(data.model, "Chat", context)
    check_names(data.fields, resolution.entry.spec.providers)
    check_demands(data.demands, resolution.entry.spec.providers)
    choices = data.operation.choices
    created = int(api.clock.unix())
    if data.stream:
        rendering = Rendering(CHAT, data.model, created, options_of(data))
        opened = await api.streams.open(resolution, data.operation, rendering, context, request.scope["headers"])
        name_ignored(context, data.fields, resolution, opened.stream.serving.provider, body=data.operation.body)
        return EventStream(api.streams, opened)
    id_ = completion_id(context.request_id)
    collector: ChatCollector | ChoicesCollector = (
        ChatCollector(id_, created, data.model) if choices == 1 else ChoicesCollector(choices, id_, created, data.model)
    )
    provider = await api.dispatcher.collect(resolution, data.operation, collector, context)
    name_ignored(context, data.fields, resolution, provider, body=data.operation.body)
    return Response(collector.completion(), media_type="application/json")


@answers(EMBEDDINGS, reader=read_embeddings, responses=ERRORS)
async def embeddings(
    data: JSONBody[EmbeddingsBody], request: ClientRequest, api: ApiDependencies
) -> EmbeddingsResponse:
    """Embedding vectors of one text or several."""
    context = request.context
    resolution = api.resolve(data.model, "Embedding", context)
    check_names(data.fields, resolution.entry.spec.providers, known=EMBEDDINGS_KNOWN)
    collector = EmbeddingsCollector(data.model)
    provider = await api.dispatcher.collect(resolution, data.operation, collector, context)
    name_ignored(context, data.fields, resolution, provider, known=EMBEDDINGS_KNOWN)
    response = collector.response(data.encoding_format)
    if len(response.data) != data.operation.count:
        raise PenstockError("provider_stream_broken", "the provider's answer has too few vectors")
    return response


@answers(MODELS)
async def models(request: ClientRequest, api: ApiDependencies) -> ModelList:
    """The models that the request's key may use, and that are ready."""
    may_use = request.context.principal.may_use
    return ModelList([_model(name, entry) for name, entry in api.catalogue.models(may_use)])


@get(f"{MODELS.path}/{{model_id:path}}", responses=ERRORS)
async def model(model_id: str, request: ClientRequest, api: ApiDependencies) -> Model:
    """One model; its id may contain slashes."""
    wanted = model_id.removeprefix("/")
    for name, entry in api.catalogue.models(request.context.principal.may_use):
        if name == wanted:
            return _model(name, entry)
    raise no_model(wanted)


def _model(name: str, entry: CatalogueEntry) -> Model:
    return Model(name, entry.created_at, entry.key)
