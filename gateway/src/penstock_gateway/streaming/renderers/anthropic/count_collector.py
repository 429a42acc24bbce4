"""Collects a provider's count of the tokens of a request."""

from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import AnswerFields, Event, Failed
from penstock_gateway.streaming.renderers.answer_fields import fields_of


class CountCollector:
    def __init__(self) -> None:
        self._count: int | None = None
        self._error: PenstockError | None = None

    def around_text(self) -> None:
        return None

    def render(self, event: Event) -> bytes:
        if isinstance(event, AnswerFields):
            count = fields_of(event.fields).get("input_tokens")
            self._count = count if isinstance(count, int) else self._count
        elif isinstance(event, Failed):
            self._error = PenstockError.of(event.error)
        return b""

    def count(self) -> int:
        """The number of tokens. Raises `PenstockError` if the provider did not count them."""
        if self._error is not None:
            raise self._error
        if self._count is None:
            raise PenstockError("provider_stream_broken", "the provider's answer has no count of tokens")
        return self._count
