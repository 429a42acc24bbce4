"""The endpoints of OpenAI's dialect: chat completions, embeddings, models."""

from typing import Any, cast

from litestar import Response, get
from litestar.params import JSONBody

from penstock_contract.catalogue import CatalogueEntry, no_model
from penstock_contract.endpoint_responses import EmbeddingsResponse, Model, ModelList
from penstock_contract.endpoints import CHAT_COMPLETION, EMBEDDINGS, MODELS
from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import ChatBody, read_chat_completion
from penstock_contract.request.chat_fields import EMBEDDINGS_KNOWN, check_names
from penstock_contract.request.embeddings_body import EmbeddingsBody, read_embeddings
from penstock_gateway.api.anthropic import model_info, models_page
from penstock_gateway.api.chat_answer import answer_chat
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.endpoint_handler import answers
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openapi.operations import CHAT_COMPLETION_ANSWER, ERRORS, ChatCompletionOperation
from penstock_gateway.http.error_dialect import is_anthropics
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.choices import ChoicesCollector
from penstock_gateway.streaming.renderers.dialects import CHAT, completion_id
from penstock_gateway.streaming.renderers.embeddings_collector import EmbeddingsCollector


@answers(
    CHAT_COMPLETION,
    reader=read_chat_completion,
    responses={200: CHAT_COMPLETION_ANSWER, **ERRORS},
    operation_class=ChatCompletionOperation,
)
async def chat_completions(data: JSONBody[ChatBody], request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    """A chat completion, whole or as a stream."""

    def collector(created: int) -> ChatCollector | ChoicesCollector:
        id_, choices = completion_id(request.context.request_id), data.operation.choices
        if choices == 1:
            return ChatCollector(id_, created, data.model)
        return ChoicesCollector(choices, id_, created, data.model)

    return await answer_chat(api, request, data, CHAT, collector)


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
    """The models that the request's key may use, and that are ready. In Anthropic's shape for its clients."""
    found = list(api.catalogue.models(request.context.principal.may_use))
    if is_anthropics(request.scope):
        # Litestar sends a response as it is, whatever the declared type, which is the one of the OpenAPI document.
        return cast("ModelList", models_page(found, request.query_params))
    return ModelList([_model(name, entry) for name, entry in found])


@get(f"{MODELS.path}/{{model_id:path}}", responses=ERRORS)
async def model(model_id: str, request: ClientRequest, api: ApiDependencies) -> Model:
    """One model; its id may contain slashes."""
    wanted = model_id.removeprefix("/")
    for name, entry in api.catalogue.models(request.context.principal.may_use):
        if name == wanted:
            if is_anthropics(request.scope):
                return cast("Model", Response(model_info(name, entry), media_type="application/json"))
            return _model(name, entry)
    raise no_model(wanted)


def _model(name: str, entry: CatalogueEntry) -> Model:
    return Model(name, entry.created_at, entry.key)
