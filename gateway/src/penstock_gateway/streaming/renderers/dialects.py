"""The stream renderers by the name of their dialect: how a stream is rendered again from its descriptor."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from penstock_contract.request.chat_body import ChatBody
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.streaming.renderers.ai_sdk.ui_stream import UIStreamRenderer
from penstock_gateway.streaming.renderers.chat_stream import ChatStreamRenderer
from penstock_gateway.streaming.renderers.choices import ChoicesStreamRenderer
from penstock_gateway.streaming.renderers.completions.completion_stream import CompletionStreamRenderer
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.renderers.simple import SimpleRenderer

CHAT: Final = "openai.chat"
COMPLETION: Final = "openai.completion"
SIMPLE: Final = "simple"
UI: Final = "ai-sdk.ui"


class OpenAIOptions(Struct, frozen=True, omit_defaults=True):
    include_usage: bool = False
    choices: int = 1


class UIOptions(Struct, frozen=True, omit_defaults=True):
    """`answer_id` is the id of the message that the answer continues, None for a new message."""

    answer_id: str | None = None


WITH_USAGE, WITHOUT_USAGE = b'{"include_usage":true}', b"{}"
_openai_options = msgspec.json.Decoder(OpenAIOptions).decode
_ui_options = msgspec.json.Decoder(UIOptions).decode


def options_of(body: ChatBody) -> bytes:
    """The options of OpenAI's dialects."""
    if body.operation.choices == 1:
        return WITH_USAGE if body.include_usage else WITHOUT_USAGE
    return msgspec.json.encode(OpenAIOptions(body.include_usage, body.operation.choices))


def completion_id(request_id: str, prefix: str = "chatcmpl") -> str:
    """The id of OpenAI's completion, which is made of the request's."""
    return f"{prefix}-{request_id.removeprefix('req_')}"


def _chat(request_id: str, rendering: Rendering) -> Renderer:
    options = _openai_options(rendering.options)
    id_, created, model = completion_id(request_id), rendering.created, rendering.model
    if options.choices == 1:
        return ChatStreamRenderer(id_, created, model, include_usage=options.include_usage)
    return ChoicesStreamRenderer(options.choices, id_, created, model, include_usage=options.include_usage)


def _completion(request_id: str, rendering: Rendering) -> Renderer:
    options = _openai_options(rendering.options)
    id_ = completion_id(request_id, "cmpl")
    return CompletionStreamRenderer(
        options.choices, id_, rendering.created, rendering.model, include_usage=options.include_usage
    )


def _simple(_request_id: str, _rendering: Rendering) -> Renderer:
    return SimpleRenderer()


def _ui(request_id: str, rendering: Rendering) -> Renderer:
    options = _ui_options(rendering.options)
    return UIStreamRenderer(options.answer_id or f"msg_{request_id.removeprefix('req_')}", rendering.model, request_id)


DIALECTS: Final[Mapping[str, Callable[[str, Rendering], Renderer]]] = {
    CHAT: _chat,
    COMPLETION: _completion,
    SIMPLE: _simple,
    UI: _ui,
}
"""A dialect's function takes the request's id. The renderer's bytes must follow from its arguments and the events."""


def renderer_of(request_id: str, rendering: Rendering) -> Renderer | None:
    """None for a dialect that this version does not have."""
    made = DIALECTS.get(rendering.dialect)
    return None if made is None else made(request_id, rendering)
