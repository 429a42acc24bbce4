"""The simple dialect: `data: {"text":…}`, `data: [DONE]`, and `event: error` when it fails midway.

`event: queued` reports on a waiting request to a client that requested it.
"""

from penstock_contract.errors import error_json
from penstock_contract.stream.events import Event, Failed, Finished, RefusalDelta, TextDelta
from penstock_gateway.streaming.renderers.progress import Progress
from penstock_gateway.streaming.renderers.renderer import DONE, encode_json


class SimpleRenderer:
    """Text only, including a refusal's: the dialect has no tool calls, reasoning or usage."""

    __slots__ = ()

    def progress(self, report: Progress) -> bytes:
        return b"event: queued\ndata: " + encode_json(report) + b"\n\n"

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

    def around_text(self) -> tuple[bytes, bytes]:
        return b'data: {"text":', b"}\n\n"
