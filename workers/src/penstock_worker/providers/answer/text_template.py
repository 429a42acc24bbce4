"""The bytes around a stream's pieces of text, which are the same from chunk to chunk.

A chunk of 300 bytes has a token of text in it. Once a chunk was read whole, the next that differs from it in that text
only needs no more than the text decoded: half the time, and as exact, as all other bytes are compared.
"""

from typing import Self

import msgspec

from penstock_contract.codec import UNREADABLE
from penstock_contract.stream.events import ReasoningDelta, TextDelta
from penstock_worker.providers.openai.chunk import Chunk, decode_strictly

_PADDING = b',"obfuscation":"'
"""OpenAI's last member: padding of random length, against attackers that count bytes on the wire."""
_BRACE = ord("}")
_PLACES = {TextDelta: ("content",), ReasoningDelta: ("reasoning_content", "reasoning")}
_decode_text = msgspec.json.Decoder(str).decode


class TextTemplate:
    __slots__ = (
        "_chunk_head",
        "_chunk_tail",
        "_head",
        "_head_length",
        "_padded",
        "_tail",
        "_tail_length",
        "_text_after",
        "_text_before",
        "kind",
    )

    def __init__(self, kind: type[TextDelta | ReasoningDelta], head: bytes, tail: bytes, *, padded: bool) -> None:
        self.kind = kind
        # Each with the quotation mark of the text.
        self._head, self._head_length = head, len(head) - 1
        self._tail, self._tail_length = tail + (_PADDING if padded else b""), len(tail) - 1
        self._padded = padded
        self._chunk_head = b"data: " + head[:-1]
        self._chunk_tail = tail + b"\n\n\r\n"
        self._text_before, self._text_after = len(self._chunk_head), len(tail) + 3

    @classmethod
    def of(cls, payload: bytes, chunk: Chunk, kind: type[TextDelta | ReasoningDelta]) -> Self | None:
        """The template of a chunk with one piece of text and nothing else; None if its bytes do not show the place."""
        if not chunk.choices or len(chunk.choices) != 1 or (delta := chunk.choices[0].delta) is None:
            return None
        unpadded = _unpadded(payload)
        padded, payload = unpadded is not None, unpadded or payload
        for name in _PLACES[kind]:
            text = getattr(delta, name)
            start = _after_mark(payload, name)
            if not text or start < 0:
                continue
            head, tail = payload[:start], payload[_end_of_text(payload, start) :]
            probe = _read(head + b"x" + tail + (b"}" if padded else b""))
            if probe is None or not probe.choices or (probed := probe.choices[0].delta) is None:
                return None
            if getattr(probed, name) != "x":
                return None
            setattr(probed, name, text)
            probe.obfuscation = chunk.obfuscation
            return cls(kind, head, tail, padded=padded) if probe == chunk else None
        return None

    def piece(self, payload: bytes) -> str | None:
        """The text of a chunk that differs in nothing else; None for any other chunk."""
        if not payload.startswith(self._head):
            return None
        if self._padded:
            end = payload.rfind(self._tail)
            if end < 0 or payload.find(b'"', end + len(self._tail)) != len(payload) - 2 or payload[-1] != _BRACE:
                return None
        elif payload.endswith(self._tail):
            end = len(payload) - self._tail_length - 1
        else:
            return None
        try:
            # Exactly one JSON text, so that nothing else is in between.
            return _decode_text(payload[self._head_length : end + 1])
        except UNREADABLE:
            return None

    def piece_of_chunk(self, data: bytes) -> str | None:
        """`piece` of the one event in `data`, which is one whole chunk of a chunked body; None for any other bytes.

        The chunk's size has to be in the common form: lower case, without leading zeros and extensions.
        """
        line_end = data.find(b"\r\n", 1, 9)
        start = line_end + 2
        if line_end < 0 or self._padded or not data.startswith(self._chunk_head, start):
            return None
        if not data.endswith(self._chunk_tail) or data[:line_end] != b"%x" % (len(data) - start - 2):
            return None
        try:
            return _decode_text(data[start + self._text_before : -self._text_after])
        except UNREADABLE:
            return None


def _unpadded(payload: bytes) -> bytes | None:
    # A mark with bare quotation marks cannot be inside a text; no quotation mark after its value: the last member.
    place = payload.rfind(_PADDING)
    if place < 0 or payload.find(b'"', place + len(_PADDING)) != len(payload) - 2 or payload[-1:] != b"}":
        return None
    return payload[:place]


def _after_mark(payload: bytes, name: str) -> int:
    for mark in (b'"%b":"' % name.encode(), b'"%b": "' % name.encode()):
        place = payload.find(mark)
        if place >= 0:
            return place + len(mark)
    return -1


def _end_of_text(payload: bytes, start: int) -> int:
    place = start
    while payload[place : place + 1] != b'"':
        place += 2 if payload[place : place + 1] == b"\\" else 1
    return place


def _read(payload: bytes) -> Chunk | None:
    try:
        return decode_strictly(payload)
    except UNREADABLE:
        return None
