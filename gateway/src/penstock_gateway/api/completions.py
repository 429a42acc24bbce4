"""OpenAI's older Completions API: `/v1/completions`, answered by a chat."""

from typing import Any

from litestar import Response
from litestar.params import JSONBody

from penstock_contract.endpoints import COMPLETION
from penstock_contract.request.completions_body import CompletionBody, read_completion
from penstock_gateway.api.chat_answer import answer_chat
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.endpoint_handler import answers
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openapi.operations import COMPLETION_ANSWER, ERRORS, CompletionOperation
from penstock_gateway.streaming.renderers.completions.completion_collector import CompletionCollector
from penstock_gateway.streaming.renderers.dialects import COMPLETION as DIALECT
from penstock_gateway.streaming.renderers.dialects import completion_id


@answers(
    COMPLETION,
    reader=read_completion,
    responses={200: COMPLETION_ANSWER, **ERRORS},
    operation_class=CompletionOperation,
)
async def completions(data: JSONBody[CompletionBody], request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    """A text for a prompt, whole or as a stream."""
    chat = data.chat

    def collector(created: int) -> CompletionCollector:
        id_ = completion_id(request.context.request_id, "cmpl")
        return CompletionCollector(chat.operation.choices, id_, created, chat.model)

    return await answer_chat(api, request, chat, DIALECT, collector)
