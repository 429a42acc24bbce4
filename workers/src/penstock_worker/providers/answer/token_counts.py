"""Token counts of a provider, in all spellings, and the check of their plausibility.

A provider's numbers are read leniently and used only if plausible: a request has input, and an answer with content has
output. An implausible number is replaced by the worker's own estimate, which is marked as such.
"""

from typing import Any

from penstock_contract.stream.events import UsageReported
from penstock_contract.usage.record import BYTES_PER_TOKEN_OUT
from penstock_worker.providers.answer import lenient

INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_eval_count")
OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "eval_count")
INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")
CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cachedContentTokenCount")
WRITTEN = ("cache_creation_input_tokens", "cache_write_tokens", "cache_creation_tokens", "cache_write_input_tokens")
REASONING = ("reasoning_tokens", "thinking_tokens", "thoughtsTokenCount")
KNOWN = {*INPUT, *OUTPUT, *CACHED, *WRITTEN, *REASONING, "total_tokens", "totalTokenCount", "cache_creation"}
DETAILS_BYTES_MAX = 16 * 1024


class TokenCounts:
    """The latest of a provider's counts. They are cumulative; a count that is missing or 0 does not change."""

    __slots__ = ("_details", "cached", "input", "output", "reasoning", "written")

    def __init__(self) -> None:
        self.input = self.output = self.cached = self.written = self.reasoning = 0
        self._details: dict[str, Any] = {}

    def read(self, usage: object) -> None:
        """Read a usage object of any spelling."""
        found = lenient.mapping(usage)
        inputs = [found, *(lenient.mapping(found.get(name)) for name in INPUT_DETAILS)]
        outputs = [found, *(lenient.mapping(found.get(name)) for name in OUTPUT_DETAILS)]
        self.input = _first(INPUT, found) or self.input
        self.output = _first(OUTPUT, found) or self.output
        self.cached = _first(CACHED, *inputs) or self.cached
        self.written = _first(WRITTEN, *inputs) or _ephemeral(found) or self.written
        self.reasoning = _first(REASONING, *outputs) or self.reasoning
        total = lenient.count(found.get("total_tokens"))
        if total and not self.output and self.input and not _first(OUTPUT, found):
            self.output = max(0, total - self.input)
        if "thoughtsTokenCount" in found and "candidatesTokenCount" in found:
            # Gemini counts thoughts in addition to the answer, all other providers within it.
            self.output = (lenient.count(found["candidatesTokenCount"]) or 0) + self.reasoning
        self._keep_details(found)

    def read_timings(self, timings: object) -> None:
        """llama.cpp's, where no usage came: `prompt_n` is without what its cache had."""
        found = lenient.mapping(timings)
        evaluated, cached = lenient.count(found.get("prompt_n")), lenient.count(found.get("cache_n")) or 0
        if evaluated is not None and not self.input:
            self.input, self.cached = evaluated + cached, cached
        self.output = self.output or lenient.count(found.get("predicted_n")) or 0

    def reported(self, pieces: int, content_bytes: int) -> UsageReported | None:
        """The count of an answer of so many pieces and bytes; None if there is no plausible one.

        An output of 0 beside content is replaced by an estimate, as input is most of what such an answer costs.
        """
        if not self.input or not 0 <= self.input <= lenient.COUNT_MAX:
            return None
        estimated = not self.output and pieces > 0
        output = max(pieces, content_bytes // BYTES_PER_TOKEN_OUT) if estimated else self.output
        cached = min(self.cached, self.input)
        return UsageReported(
            self.input,
            min(output, lenient.COUNT_MAX),
            cached,
            min(self.reasoning, output),
            min(self.written, self.input - cached),
            self._encoded_details(),
            estimated,
        )

    def _keep_details(self, found: dict[str, Any]) -> None:
        """Counts without a field of their own: audio and prediction tokens, cost, server tools."""
        for name, value in found.items():
            if name in (*INPUT_DETAILS, *OUTPUT_DETAILS):
                place = "prompt_tokens_details" if name in INPUT_DETAILS else "completion_tokens_details"
                rest = _details(lenient.mapping(value))
                if rest:
                    self._details[place] = {**self._details.get(place, {}), **rest}
            else:
                self._details |= _details({name: value})

    def _encoded_details(self) -> bytes:
        if not self._details:
            return b""
        details = lenient.encoded(self._details).encode()
        return details if len(details) <= DETAILS_BYTES_MAX else b""


def _first(names: tuple[str, ...], *places: dict[str, Any]) -> int | None:
    for place in places:
        for name in names:
            if name in place and (number := lenient.count(place[name])):
                return number
    return None


def _details(found: dict[str, Any]) -> dict[str, Any]:
    """Rounded: SDKs have integers for token counts."""
    rest: dict[str, Any] = {}
    for name, value in found.items():
        if name not in KNOWN and not name.endswith("TokenCount"):
            counted = lenient.count(value) if name.endswith("_tokens") else value
            if counted is not None:
                rest[name] = counted
    return rest


def _ephemeral(found: dict[str, Any]) -> int | None:
    """Anthropic's cache writes by their lifetime, where their sum is missing."""
    parts = lenient.mapping(found.get("cache_creation")).values()
    return sum(lenient.count(part) or 0 for part in parts) or None
