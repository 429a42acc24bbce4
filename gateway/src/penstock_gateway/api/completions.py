"""OpenAI's older Completions API: `/v1/completions`, answered by a chat."""

from typing import Any

from litestar import Response
from litestar.params import JSONBody

from penstock_contract.endpoints import COMPLETION
from penstock_contract.request.chat_fields import check_demands, check_names
from penstock_contract.request.completions_body import CompletionBody, read_completion
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.documentation import COMPLETION_ANSWER, ERRORS, CompletionOperation
from penstock_gateway.api.endpoint_handler import answers
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.streaming.renderers.completions.completion_collector import CompletionCollector
from penstock_gateway.streaming.renderers.dialects import COMPLETION as DIALECT
from penstock_gateway.streaming.renderers.dialects import completion_id, options_of
from penstock_gateway.streaming.sse_response import EventStream


@answers(
    COMPLETION,
    reader=read_completion,
    responses={200: COMPLETION_ANSWER, **ERRORS},
    operation_class=CompletionOperation,
)
async def completions(data: JSONBody[CompletionBody], request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    """A text for a prompt, whole or as a stream."""
    context, chat = request.context, data.chat
    resolution = api.resolve(chat.model, "Chat", context)
    check_names(chat.fields, resolution.entry.spec.providers)
    check_demands(chat.demands, resolution.entry.spec.providers)
    choices = chat.operation.choices
    created = int(api.clock.unix())
    if chat.stream:
        rendering = Rendering(DIALECT, chat.model, created, options_of(chat))
        opened = await api.streams.open(resolution, chat.operation, rendering, context, request.scope["headers"])
        name_ignored(context, chat.fields, resolution, opened.stream.serving.provider, body=chat.operation.body)
        return EventStream(api.streams, opened)
    collector = CompletionCollector(choices, completion_id(context.request_id, "cmpl"), created, chat.model)
    provider = await api.dispatcher.collect(resolution, chat.operation, collector, context)
    name_ignored(context, chat.fields, resolution, provider, body=chat.operation.body)
    return Response(collector.completion(), media_type="application/json")
