"""The stream renderers by the name of their dialect: how a stream is rendered again from its descriptor."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from penstock_contract.openai_responses.stored import decode_rendering
from penstock_contract.request.operations import StreamOptions
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.streaming.renderers.chat_stream import ChatStreamRenderer
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.renderers.responses.stream import ResponseStreamRenderer
from penstock_gateway.streaming.renderers.simple import SimpleRenderer

CHAT: Final = "openai.chat"
RESPONSES: Final = "openai.responses"
SIMPLE: Final = "simple"
REPEATED: Final = frozenset((RESPONSES,))
"""Dialects whose last event repeats the answer, which therefore has a size limit."""


_chat_options = msgspec.json.Decoder(StreamOptions)


def completion_id(request_id: str) -> str:
    """The id of OpenAI's chat completion, which is made of the request's."""
    return f"chatcmpl-{request_id.removeprefix('req_')}"


def _chat(request_id: str, rendering: Rendering) -> Renderer:
    options = _chat_options.decode(rendering.options)
    return ChatStreamRenderer(
        completion_id(request_id), rendering.created, rendering.model, include_usage=bool(options.include_usage)
    )


def _responses(_request_id: str, rendering: Rendering) -> Renderer:
    options = decode_rendering(rendering.options)
    return ResponseStreamRenderer(options.response, encrypted=options.encrypted)


def _simple(_request_id: str, _rendering: Rendering) -> Renderer:
    return SimpleRenderer()


DIALECTS: Final[Mapping[str, Callable[[str, Rendering], Renderer]]] = {
    CHAT: _chat,
    RESPONSES: _responses,
    SIMPLE: _simple,
}
"""A dialect's function takes the request's id. The renderer's bytes must follow from its arguments and the events."""


def renderer_of(request_id: str, rendering: Rendering) -> Renderer | None:
    """None for a dialect that this version does not have."""
    made = DIALECTS.get(rendering.dialect)
    return None if made is None else made(request_id, rendering)
