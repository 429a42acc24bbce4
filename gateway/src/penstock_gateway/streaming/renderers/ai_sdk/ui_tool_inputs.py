"""The tool calls of a UI message stream: pieces of input as they come, and each whole input at the end. Pure."""

from collections.abc import Iterator

from penstock_contract.ai_sdk.ui_chunks import (
    ToolInputAvailableChunk,
    ToolInputDeltaChunk,
    ToolInputErrorChunk,
    ToolInputStartChunk,
)
from penstock_contract.stream.events import ToolCallDelta
from penstock_gateway.streaming.renderers.answer_fields import decode_json

ToolChunk = ToolInputStartChunk | ToolInputDeltaChunk | ToolInputAvailableChunk | ToolInputErrorChunk


class _Input:
    __slots__ = ("id", "name", "pieces", "started")

    def __init__(self) -> None:
        self.id = self.name = ""
        self.pieces: list[str] = []
        self.started = False


class UIToolInputs:
    """The inputs of all calls of one answer. A call is sent from its name on; pieces before the name wait."""

    __slots__ = ("_inputs",)

    def __init__(self) -> None:
        self._inputs: dict[int, _Input] = {}

    def piece(self, event: ToolCallDelta) -> Iterator[ToolChunk]:
        call = self._inputs.setdefault(event.index, _Input())
        call.id = call.id or event.id or ""
        call.name = call.name or event.name or ""
        if event.arguments:
            call.pieces.append(event.arguments)
        if not (call.id and call.name):
            return
        if not call.started:
            call.started = True
            yield ToolInputStartChunk(call.id, call.name)
            if call.pieces:
                yield ToolInputDeltaChunk(call.id, "".join(call.pieces))
        elif event.arguments:
            yield ToolInputDeltaChunk(call.id, event.arguments)

    def ends(self) -> Iterator[ToolChunk]:
        """At the end, because the pieces of two calls may alternate."""
        for _, call in sorted(self._inputs.items()):
            text = "".join(call.pieces)
            try:
                given = decode_json(text)
            except (ValueError, RecursionError):
                reason = "the model's arguments are not JSON"
                yield ToolInputErrorChunk(call.id, call.name, text, reason)
            else:
                yield ToolInputAvailableChunk(call.id, call.name, given)
