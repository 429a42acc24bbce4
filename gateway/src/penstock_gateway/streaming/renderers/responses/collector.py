"""Collects a whole response for a client that did not request a stream."""

from typing import Any

from msgspec.structs import replace

from penstock_contract.openai_responses.response import ResponseObject
from penstock_contract.stream.events import Event
from penstock_gateway.streaming.renderers.responses.output import ResponseOutput
from penstock_gateway.streaming.renderers.responses.stream import with_further


class ResponseCollector:
    """`response` is valid after the last event."""

    def __init__(self, response: ResponseObject, *, encrypted: bool) -> None:
        self._output = ResponseOutput(response, encrypted=encrypted)

    def around_text(self) -> None:
        return

    def render(self, event: Event) -> bytes:
        self._output.add(event)
        return b""

    @property
    def has_output(self) -> bool:
        return bool(self._output.response.output)

    def response(self, completed_at: int | None) -> ResponseObject | dict[str, Any]:
        """The answer; a dictionary if it has fields that this API does not have."""
        output = self._output
        if output.response.status == "completed":
            output.response = replace(output.response, completed_at=completed_at)
        further = with_further(output)
        return output.response if further is None else further
