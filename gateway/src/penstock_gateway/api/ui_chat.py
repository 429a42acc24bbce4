"""The AI SDK's dialect: `/api/chat` for the bodies of `useChat`, and a chat's stream read again and stopped."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import Parameter
from litestar.status_codes import HTTP_204_NO_CONTENT

from penstock_contract.ai_sdk.ui_chat_body import UIChatBody
from penstock_contract.endpoint_responses import StoppedStream
from penstock_contract.endpoints import UI_CHAT
from penstock_contract.request.chat_fields import check_names
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openapi.operations import ERRORS, NO_STREAM, STOPPED, UI_STREAM, UIStreamOperation
from penstock_gateway.streaming.output.sse_response import EventStream
from penstock_gateway.streaming.renderers.ai_sdk.ui_stream import HEADER
from penstock_gateway.streaming.renderers.dialects import UI, UIOptions

ChatId = Annotated[str, Parameter(max_length=256, description="The chat's `id`, as `useChat` sends it.")]


async def stream_ui_chat(data: UIChatBody, request: ClientRequest, api: ApiDependencies) -> EventStream:
    """Stream the answer to a conversation of UI messages."""
    context = request.context
    resolution = api.resolve(data.model, "Chat", context)
    check_names(data.fields, resolution.entry.spec.providers)
    rendering = Rendering(UI, resolution.model, 0, msgspec.json.encode(UIOptions(data.answer_id)))
    closer, opened = await api.chats.open(
        data.chat_id, resolution, data.operation, rendering, context, request.scope["headers"]
    )
    provider = opened.stream.serving.provider
    name_ignored(context, data.fields, resolution, provider, body=data.operation.body, dropped=data.ignored)
    context.response_headers.append(HEADER)
    return EventStream(closer, opened)


@get(
    f"{UI_CHAT.path}/{{chat_id:str}}/stream",
    responses={200: UI_STREAM, 204: NO_STREAM, **ERRORS},
    operation_class=UIStreamOperation,
)
async def read_chat_stream(chat_id: ChatId, request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    """Read the answer of a chat again from its beginning, as `useChat` does after a reload; 204 if none is unread."""
    found = await api.chats.read(chat_id, request.context)
    if found is None:
        return Response(None, status_code=HTTP_204_NO_CONTENT)
    request.context.response_headers.append(HEADER)
    return EventStream(*found)


@post(f"{UI_CHAT.path}/{{chat_id:str}}/stop", status_code=200, responses={200: STOPPED, 204: NO_STREAM, **ERRORS})
async def stop_chat_stream(
    chat_id: ChatId,
    request: ClientRequest,
    api: ApiDependencies,
    stream: Annotated[str | None, Parameter(description="Stop this stream only: the answer's `requestId`.")] = None,
) -> Response[Any]:
    """Stop the answer of a chat for all its readers; 204 if there is none."""
    stopped = await api.chats.stop(chat_id, stream, request.context)
    if stopped is None:
        return Response(None, status_code=HTTP_204_NO_CONTENT)
    return Response(StoppedStream(stopped), media_type="application/json")
