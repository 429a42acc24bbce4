"""A function call that is being written, and the events of each step."""

from collections.abc import Callable

import msgspec

from penstock_contract.codec import UNREADABLE
from penstock_contract.openai_responses.output_items import ItemStatus, OutputFunctionCall
from penstock_contract.openai_responses.stream_events import (
    ArgumentsDelta,
    ArgumentsDone,
    OutputItemAdded,
    OutputItemDone,
    ResponseEvent,
)


class CallItem:
    """Each method returns its events."""

    def __init__(self, number: Callable[[], int], id_: str, output_index: int, call_id: str, name: str) -> None:
        self.id = id_
        self.output_index = output_index
        self._number = number
        self._call_id = call_id
        self._name = name
        self._pieces: list[str] = []

    @property
    def whole(self) -> bool:
        """True if the arguments are a complete JSON object, behind which no further piece can come."""
        text = "".join(self._pieces)
        if not text.rstrip().endswith("}"):
            return False
        try:
            msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (*UNREADABLE, msgspec.ValidationError):
            return False
        return True

    def begin(self) -> list[ResponseEvent]:
        item = OutputFunctionCall(self.id, self._call_id, self._name, "", "in_progress")
        return [OutputItemAdded(sequence_number=self._number(), output_index=self.output_index, item=item)]

    def arguments(self, text: str) -> list[ResponseEvent]:
        if not text:
            return []
        self._pieces.append(text)
        return [
            ArgumentsDelta(sequence_number=self._number(), item_id=self.id, output_index=self.output_index, delta=text)
        ]

    def end(self, status: ItemStatus) -> tuple[list[ResponseEvent], OutputFunctionCall]:
        text = "".join(self._pieces)
        item = OutputFunctionCall(self.id, self._call_id, self._name, text, status)
        return [
            ArgumentsDone(
                sequence_number=self._number(),
                item_id=self.id,
                output_index=self.output_index,
                name=self._name,
                arguments=text,
            ),
            OutputItemDone(sequence_number=self._number(), output_index=self.output_index, item=item),
        ], item
