"""OpenAI's Responses API: create a response, whole, as a stream or in the background, and count its input."""

from typing import Any

from litestar import Response, post
from litestar.params import JSONBody

from penstock_contract.endpoints import RESPONSE, RESPONSE_INPUT_TOKENS
from penstock_contract.errors import PenstockError
from penstock_contract.openai_responses.body import ResponseBody, read_response
from penstock_contract.openai_responses.names import ignored_name, responses_errors
from penstock_contract.openai_responses.response import InputTokensCount
from penstock_contract.request.chat_body import ChatBody
from penstock_contract.request.chat_fields import check_names
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.endpoint_handler import answers
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openapi.operations import ERRORS, RESPONSE_ANSWER, ResponseOperation
from penstock_gateway.streaming.output.sse_response import EventStream


@answers(RESPONSE, reader=read_response, responses={200: RESPONSE_ANSWER, **ERRORS}, operation_class=ResponseOperation)
async def create_response(data: JSONBody[ResponseBody], request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    """A response, whole, as a stream, or in the background."""
    context, wanted = request.context, data.request
    resolution = api.resolve(wanted.model, "Chat", context)
    known, chat = await _conversation(data, context, api)
    headers = request.scope["headers"]
    provider: str | None = None
    with responses_errors():
        check_names(chat.fields, resolution.entry.spec.providers)
        new = api.created_responses.prepare(data, known, chat.operation, resolution, context, headers)
        answer: Response[Any]
        if wanted.stream:
            opened = await api.created_responses.stream(new, context, headers)
            provider = opened.stream.serving.provider
            answer = EventStream(api.streams, opened)
        elif wanted.background:
            answer = Response(await api.created_responses.detach(new, context), media_type="application/json")
        else:
            whole, provider = await api.created_responses.collect(new, context, headers)
            answer = Response(whole, media_type="application/json")
    body = chat.operation.body
    name_ignored(context, chat.fields, resolution, provider, body=body, dropped=data.ignored, named=ignored_name)
    return answer


@answers(RESPONSE_INPUT_TOKENS, reader=read_response, responses=ERRORS)
async def response_input_tokens(
    data: JSONBody[ResponseBody], request: ClientRequest, api: ApiDependencies
) -> InputTokensCount:
    """The tokens of a request's input, as limits and budgets estimate them."""
    api.resolve(data.request.model, "Chat", request.context)
    _, chat = await _conversation(data, request.context, api)
    return InputTokensCount(chat.operation.input_tokens)


@post(f"{RESPONSE.path}/compact", include_in_schema=False)
async def compact_response() -> None:
    """Refuses compaction, which needs a model's own endpoint; without it the path would be a response's, and a 405."""
    reason = "a conversation is not compacted; send the items that are needed in input"
    raise PenstockError("not_found", f"no endpoint at POST {RESPONSE.path}/compact: {reason}")


async def _conversation(
    data: ResponseBody, context: RequestContext, api: ApiDependencies
) -> tuple[list[dict[str, Any]], ChatBody]:
    """The items before the request's own, and the chat completion of all."""
    previous = data.request.previous_response_id
    if previous is None:
        return [], data.chat
    known = await api.stored_responses.history(previous, context)
    return known, data.after(known)
