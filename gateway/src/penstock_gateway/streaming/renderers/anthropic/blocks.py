"""Content blocks of an answer that came without blocks: text, thinking and tool calls, one after the other. Pure.

Anthropic's blocks do not overlap. Pieces of a block that is not the open one wait, unless the open one may be closed: a
text at any time, a tool call when its arguments are a whole JSON text. At the end all of them follow.
"""

from typing import Any

import msgspec

from penstock_contract.anthropic.nested_fields import OTHERS_SIGNATURE
from penstock_contract.codec import UNREADABLE

Json = dict[str, Any]
Key = tuple[str, int]

TEXT: Key = ("text", 0)
THINKING: Key = ("thinking", 0)


class _Block:
    __slots__ = ("index", "key", "pieces", "start", "waiting")

    def __init__(self, key: Key, start: Json) -> None:
        self.key = key
        self.start = start
        self.index = -1
        """Its place in the message; -1 before its start was sent."""
        self.pieces: list[str] = []
        """Of a tool call: its arguments."""
        self.waiting: list[Json] = []
        """Deltas that were not sent yet."""

    @property
    def closable(self) -> bool:
        if self.key[0] != "call":
            return True
        return self.index >= 0 and _is_json("".join(self.pieces))


class ContentBlocks:
    __slots__ = ("_blocks", "_next", "_open", "_waiting")

    def __init__(self) -> None:
        self._open: _Block | None = None
        self._waiting: list[_Block] = []
        self._blocks: dict[Key, _Block] = {}
        self._next = 0

    @property
    def open_text(self) -> int:
        """The index of the text that is open with nothing waiting after it; -1 if another block is, or none."""
        block = self._open
        return block.index if block is not None and block.key == TEXT and not self._waiting else -1

    def text(self, text: str) -> list[Json]:
        return self._piece(TEXT, {"type": "text", "text": "", "citations": None}, {"type": "text_delta", "text": text})

    def thinking(self, text: str) -> list[Json]:
        start = {"type": "thinking", "thinking": "", "signature": ""}
        return self._piece(THINKING, start, {"type": "thinking_delta", "thinking": text})

    def call(self, index: int, id_: str | None, name: str | None, arguments: str, fields: Json) -> list[Json]:
        """A piece of a tool call. Its block starts with its name, which may come later than its id."""
        key = ("call", index)
        block = self._blocks.get(key)
        if block is None:
            start = {"type": "tool_use", "id": id_ or "", "name": name or "", "input": {}, "caller": {"type": "direct"}}
        else:
            start = block.start
            start["name"] = start["name"] or name or ""
        for field, value in fields.items():
            start.setdefault(field, value)
        return self._piece(key, start, {"type": "input_json_delta", "partial_json": arguments}, arguments)

    def end(self) -> list[Json]:
        """The blocks that wait, and the stop of the last."""
        events: list[Json] = []
        while self._open is not None:
            events += self._close(self._open)
            self._open = self._waiting.pop(0) if self._waiting else None
            if self._open is not None:
                events += self._flush(self._open, last=True)
        return events

    def _piece(self, key: Key, start: Json, delta: Json, arguments: str = "") -> list[Json]:
        events: list[Json] = []
        block = self._blocks.get(key)
        if block is None or (key[0] != "call" and block is not self._open and block not in self._waiting):
            block = self._blocks[key] = _Block(key, start)
            self._waiting.append(block)
        if arguments:
            block.pieces.append(arguments)
        if key[0] != "call" or arguments:
            block.waiting.append(delta)
        if block is self._open:
            return self._flush(block)
        if block not in self._waiting:
            # A call that was whole, and goes on: its block keeps its place.
            return self._flush(block)
        while self._waiting and (self._open is None or self._open.closable):
            if self._open is not None:
                events += self._close(self._open)
            self._open = self._waiting.pop(0)
            events += self._flush(self._open)
        return events

    def _flush(self, block: _Block, *, last: bool = False) -> list[Json]:
        events: list[Json] = []
        if block.index < 0:
            if block.start.get("name") == "" and not last:
                return events
            block.index, self._next = self._next, self._next + 1
            events.append({"type": "content_block_start", "index": block.index, "content_block": {**block.start}})
        events += [{"type": "content_block_delta", "index": block.index, "delta": delta} for delta in block.waiting]
        block.waiting = []
        return events

    def _close(self, block: _Block) -> list[Json]:
        events = self._flush(block, last=True)
        if block.key == THINKING:
            delta = {"type": "signature_delta", "signature": OTHERS_SIGNATURE}
            events.append({"type": "content_block_delta", "index": block.index, "delta": delta})
        return [*events, {"type": "content_block_stop", "index": block.index}]


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except UNREADABLE:
        return False
    return True
