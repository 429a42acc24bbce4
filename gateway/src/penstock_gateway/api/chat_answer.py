"""The answer of a chat request in one of OpenAI's dialects, whole or as a stream."""

from collections.abc import Callable
from typing import Any, Protocol

from litestar import Response

from penstock_contract.request.chat_body import ChatBody
from penstock_contract.request.chat_fields import check_demands, check_names
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.ignored_fields import name_ignored
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.streaming.output.sse_response import EventStream
from penstock_gateway.streaming.renderers.dialects import options_of
from penstock_gateway.streaming.renderers.renderer import Renderer


class CompletionRenderer(Renderer, Protocol):
    """Keeps the events of a whole answer."""

    def completion(self) -> Any: ...


async def answer_chat(
    api: ApiDependencies,
    request: ClientRequest,
    body: ChatBody,
    dialect: str,
    collector_of: Callable[[int], CompletionRenderer],
) -> Response[Any]:
    """Queue the chat and answer in `dialect`; `collector_of(created)` makes the renderer of a whole answer.

    Raises `PenstockError`.
    """
    context, operation = request.context, body.operation
    resolution = api.resolve(body.model, "Chat", context)
    check_names(body.fields, resolution.entry.spec.providers)
    check_demands(body.demands, resolution.entry.spec.providers)
    created = int(api.clock.unix())
    if body.stream:
        rendering = Rendering(dialect, body.model, created, options_of(body))
        opened = await api.streams.open(resolution, operation, rendering, context, request.scope["headers"])
        name_ignored(context, body.fields, resolution, opened.stream.serving.provider, body=operation.body)
        return EventStream(api.streams, opened)
    collector = collector_of(created)
    provider = await api.dispatcher.collect(resolution, operation, collector, context)
    name_ignored(context, body.fields, resolution, provider, body=operation.body)
    return Response(collector.completion(), media_type="application/json")
