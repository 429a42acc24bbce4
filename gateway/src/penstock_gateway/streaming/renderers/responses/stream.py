"""Renders the stream of the Responses API: `event:` and `data:` of each event, LF only, without `id:` and `[DONE]`.

openai-python fails on an `id:` that is followed by a comment. The first events come with the first piece of output.
"""

from typing import Any

import msgspec

from penstock_contract.openai_responses.response import ResponseObject
from penstock_contract.openai_responses.stream_events import ResponseEvent
from penstock_contract.stream.events import Event, TextDelta
from penstock_gateway.streaming.renderers.answer_fields import beside
from penstock_gateway.streaming.renderers.renderer import encode_json
from penstock_gateway.streaming.renderers.responses.output import ResponseOutput

LAST = ("response.completed", "response.incomplete", "response.failed")


class ResponseStreamRenderer:
    """Text deltas, nearly all events, are assembled from bytes that are encoded once per part.

    The last event repeats the whole output, which is therefore kept: its stream has a size limit.
    """

    def __init__(self, response: ResponseObject, *, encrypted: bool) -> None:
        self._output = ResponseOutput(response, encrypted=encrypted)
        self._begun = False
        self._part: tuple[object, int] | None = None
        self._text_tail = b""

    def around_text(self) -> None:
        """None: each event has its own number."""
        return

    def render(self, event: Event) -> bytes:
        output = self._output
        if type(event) is TextDelta and (message := output.message) is not None:
            index = message.text_index
            if index is not None:
                if self._part != (message, index):
                    self._part = (message, index)
                    self._text_tail = b',"item_id":%b,"output_index":%d,"content_index":%d,"logprobs":[]}\n\n' % (
                        encode_json(message.id),
                        message.output_index,
                        index,
                    )
                number = output.kept(event.text)
                return (
                    b"event: response.output_text.delta\n"
                    b'data: {"type":"response.output_text.delta","sequence_number":%d,"delta":'
                    % number
                    + encode_json(event.text)
                    + self._text_tail
                )
        return b"".join(map(self._bytes, self._events(event)))

    def _events(self, event: Event) -> list[ResponseEvent]:
        if self._begun:
            return self._output.add(event)
        self._begun = True
        first = self._output.begin()
        return [*first, *self._output.add(event)]

    def _bytes(self, event: ResponseEvent) -> bytes:
        name: str = type(event).__struct_config__.tag  # type: ignore[assignment]
        if name in LAST and (further := with_further(self._output)) is not None:
            return _sse(name, {**msgspec.to_builtins(event), "response": further})
        return _sse(name, event)


def with_further(output: ResponseOutput) -> dict[str, Any] | None:
    """The response with the provider's further fields; None if there are none."""
    if not output.further and not output.usage_details:
        return None
    fields = output.further | ({"usage": output.usage_details} if output.usage_details else {})
    return beside(msgspec.to_builtins(output.response), fields)


def _sse(name: str, event: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode_json(event))
