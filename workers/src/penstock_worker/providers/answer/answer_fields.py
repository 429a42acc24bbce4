"""Fields of a provider's answer without a neutral event, passed to a client of the same dialect.

Three places: `answer` (beside `choices`), `choice` (beside `delta`) and `delta`. The first is a state, emitted again
only after a change; the fields of a delta are pieces, each emitted as received.
"""

from typing import Any

from penstock_contract.stream.events import AnswerFields, Event
from penstock_worker.providers.answer import lenient

FIELDS_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of one event: NATS accepts messages of 8 MB, and images are sent in these fields."""
OMITTED = "penstock_omitted"
"""Names the fields that were too large, so that nothing is dropped silently."""

TYPES: dict[str, type] = {
    "service_tier": str,
    "system_fingerprint": str,
    "logprobs": dict,
    "annotations": list,
    "audio": dict,
    "images": list,
    "reasoning_details": list,
}
"""Fields that clients' SDKs have types for: a value of another type would break them, and has no meaning."""


class FieldsSeen:
    __slots__ = ("_sent", "waiting")

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], object] = {}
        self.waiting: list[Event] = []
        """Fields held until the first piece of the answer: they do not show that it began."""

    def answer(self, fields: dict[str, Any]) -> None:
        if changed := self._changed("answer", fields):
            self.waiting.append(AnswerFields("answer", encoded(changed)))

    def choice(self, fields: dict[str, Any]) -> Event | None:
        pieces = {
            name: value
            for name, value in fields.items()
            if (name == "logprobs" or isinstance(value, list)) and _has_content(name, value)
        }
        states = self._changed("choice", {name: value for name, value in fields.items() if name not in pieces})
        found = {**states, **pieces}
        return AnswerFields("choice", encoded(found)) if found else None

    def delta(self, fields: dict[str, Any]) -> Event | None:
        found = {name: value for name, value in fields.items() if _has_content(name, value)}
        return AnswerFields("delta", encoded(found)) if found else None

    def _changed(self, place: str, fields: dict[str, Any]) -> dict[str, Any]:
        changed = {
            name: value
            for name, value in fields.items()
            if _has_content(name, value) and self._sent.get((place, name)) != value
        }
        self._sent |= {(place, name): value for name, value in changed.items()}
        return changed


def _has_content(name: str, value: object) -> bool:
    return value is not None and value not in ([], {}, "") and isinstance(value, TYPES.get(name, object))


def encoded(fields: dict[str, Any]) -> bytes:
    """The fields within the bound; the largest are replaced by their names."""
    data = lenient.encoded(fields).encode()
    omitted: list[str] = []
    while len(data) > FIELDS_BYTES_MAX:
        kept = {name: value for name, value in fields.items() if name not in omitted}
        if not kept:
            return lenient.encoded({OMITTED: True}).encode()
        omitted.append(max(kept, key=lambda name: len(lenient.encoded(kept[name]))))
        rest = {name: value for name, value in kept.items() if name != omitted[-1]}
        data = lenient.encoded({**rest, OMITTED: [name[:256] for name in omitted[:64]]}).encode()
    return data
