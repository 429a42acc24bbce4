"""The AI SDK's dialect: `/api/chat` for the bodies of `useChat`, which get a UI message stream."""

import msgspec

from penstock_contract.request.chat_fields import check_names
from penstock_contract.request.ui_chat_body import UIChatBody
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.streaming.renderers.dialects import UI, UIOptions
from penstock_gateway.streaming.renderers.ui_stream import HEADER
from penstock_gateway.streaming.sse_response import EventStream


async def stream_ui_chat(data: UIChatBody, request: ClientRequest, api: ApiDependencies) -> EventStream:
    """Stream the answer to a conversation of UI messages."""
    context = request.context
    resolution = api.resolve(data.model, "Chat", context)
    check_names(data.fields, resolution.entry.spec.providers)
    rendering = Rendering(UI, resolution.model, 0, msgspec.json.encode(UIOptions(data.answer_id)))
    opened = await api.streams.open(resolution, data.operation, rendering, context, request.scope["headers"])
    provider = opened.stream.provider
    name_ignored(context, data.fields, resolution, provider, body=data.operation.body, dropped=data.ignored)
    context.response_headers.append(HEADER)
    return EventStream(api.streams, opened)
