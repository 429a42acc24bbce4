"""One content block of an Anthropic answer, with the parts held until the block is whole."""

from typing import Any

from penstock_worker.providers.answer import lenient
from penstock_worker.providers.answer.answer_fields import FIELDS_BYTES_MAX

FORMAT = "anthropic-claude-v1"
"""OpenRouter's `format` of details signed by Anthropic: only Anthropic accepts them in a later turn."""
TRANSLATED = frozenset(("", "text", "thinking", "redacted_thinking", "tool_use"))


class Block:
    """`call` is the index of a tool call among the calls, None for other blocks."""

    __slots__ = (
        "began_at",
        "call",
        "citations",
        "data",
        "fields",
        "index",
        "input",
        "input_streamed",
        "pieces",
        "signature",
        "size",
        "thoughts",
        "type",
    )

    def __init__(self, index: int, fields: dict[str, Any], began_at: int) -> None:
        self.index = index
        self.type = lenient.text(fields.get("type"))
        self.call: int | None = None
        self.input = fields.get("input")
        self.fields = fields
        self.size = 0
        self.pieces: list[str] = []
        """Bytes of the input of a tool that Anthropic calls itself."""
        self.data = lenient.text(fields.get("data"))
        self.signature = lenient.text(fields.get("signature"))
        self.thoughts: list[str] = []
        self.citations: list[dict[str, Any]] = []
        self.began_at = began_at
        self.input_streamed = False
        """True if its input came in pieces, which replace the value at its start."""

    def input_piece(self, piece: str) -> None:
        """Keep a piece of a server tool's input, within the bound of what a client is sent of it."""
        self.pieces.append(piece[: max(0, FIELDS_BYTES_MAX - self.size)])
        self.size += len(piece)

    def input_text(self) -> str:
        """The whole input that came at the block's start; OpenAI's `{}` for a call without arguments."""
        return lenient.json_text(self.input) or "{}"

    def reasoning_details(self) -> list[dict[str, Any]]:
        """Details that Anthropic requires in the next turn, in the form of OpenRouter."""
        if self.type == "redacted_thinking" and self.data:
            return [{"type": "reasoning.encrypted", "data": self.data, "format": FORMAT, "index": self.index}]
        if not self.signature:
            return []
        text = "".join(self.thoughts)
        detail = {"type": "reasoning.text", "text": text, "signature": self.signature}
        return [{**detail, "format": FORMAT, "index": self.index}]

    def opaque(self) -> list[dict[str, Any]]:
        """The block as Anthropic sent it, if OpenAI's dialect has no place for its type, as a server tool's."""
        if self.type in TRANSLATED:
            return []
        return [{**self.fields, "input": _read("".join(self.pieces))} if self.pieces else self.fields]

    def annotations(self, ends_at: int) -> list[dict[str, Any]]:
        """Citations with an address, as OpenAI's; a block's text is what its citations are for."""
        return [
            {
                "type": "url_citation",
                "url_citation": {
                    "url": citation["url"],
                    "title": lenient.text(citation.get("title")),
                    "start_index": self.began_at,
                    "end_index": ends_at,
                },
            }
            for citation in self.citations
            if isinstance(citation.get("url"), str)
        ]

    def opaque_citations(self) -> list[dict[str, Any]]:
        """Citations of documents, for which OpenAI has no type."""
        return [citation for citation in self.citations if not isinstance(citation.get("url"), str)]


def _read(text: str) -> object:
    """The value of a JSON text; the text itself where it is none."""
    try:
        return next(lenient.values(text.encode(errors="surrogatepass")), text)
    except (ValueError, RecursionError):
        return text
