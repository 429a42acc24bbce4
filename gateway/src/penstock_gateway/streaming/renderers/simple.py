"""The seed's wire: `data: {"text":…}`, `data: [DONE]`, and `event: error` when it goes wrong midway."""

from penstock_contract.stream.events import Event, Failed, Finished, RefusalDelta, TextDelta
from penstock_gateway.streaming.renderers.renderer import DONE, encode_json, error_json


class SeedRenderer:
    """Text only, a refusal's too: this wire has no words for tool calls, reasoning or usage."""

    __slots__ = ()

    def render(self, event: Event) -> bytes:
        if type(event) is TextDelta:
            return b'data: {"text":' + encode_json(event.text) + b"}\n\n"
        if type(event) is RefusalDelta:
            return b'data: {"text":' + encode_json(event.text) + b"}\n\n"
        if type(event) is Finished:
            return DONE
        if type(event) is Failed:
            return b"event: error\ndata: " + error_json(event.error) + b"\n\n"
        return b""
