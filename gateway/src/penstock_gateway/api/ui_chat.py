"""The AI SDK's dialect: `/api/chat` for the bodies of `useChat`, which get a UI message stream."""

from penstock_contract.request.chat_fields import check_names
from penstock_contract.request.ui_chat_body import UIChatBody
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.streaming.renderers.ui_stream import HEADER, UIStreamRenderer
from penstock_gateway.streaming.sse_response import EventStream


async def stream_ui_chat(data: UIChatBody, context: RequestContext, api: ApiDependencies) -> EventStream:
    """Stream the answer to a conversation of UI messages."""
    resolution = api.resolve(data.model, "Chat", context)
    check_names(data.fields, resolution.entry.spec.providers)
    message_id = data.answer_id or f"msg_{context.request_id.removeprefix('req_')}"
    renderer = UIStreamRenderer(message_id, resolution.model, context.request_id)
    opened = await api.dispatcher.open(resolution, data.operation, renderer, context)
    provider = opened.stream.provider
    name_ignored(context, data.fields, resolution, provider, body=data.operation.body, dropped=data.ignored)
    context.response_headers.append(HEADER)
    return EventStream(api.dispatcher, opened)
