"""Variants of recorded answers: the harmless ones that servers write, and damaged ones.

`Mutation` is deterministic by its seed, so that a failure is a number to run again.
"""

import json
import random
from typing import Any

UNNEEDED = {"created", "model", "object", "role", "obfuscation", "stop_sequence", "total_tokens", "system_fingerprint"}
"""No parser reads these for the content of an answer."""
NUMBERS = {"index", "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "cached_tokens"}
JUNK: list[Any] = [None, True, False, 0, -1, 1.5, 1e300, 2**70, "", "x", "\ud83d", [], [None], [[]], {}, {"x": None}]


class Mutation:
    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def respelled(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same answer: other types where nothing is needed, further fields, other spellings, cut characters."""
        found: list[dict[str, Any]] = []
        for recorded in events:
            event = self._node(recorded)
            found += self._cut(event) if self._rng.random() < 0.2 else [event]
            if event.get("usage") and self._rng.random() < 0.2:
                found.append(event if not event.get("choices") else {"choices": [], "usage": event["usage"]})
        return found

    def damaged(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Replaces, omits or repeats any value; the result is another answer, or none."""
        found = [{name: self._broken(value, 0.05) for name, value in event.items()} for event in events]
        if self._rng.random() < 0.2:
            del found[self._rng.randrange(len(found))]
        if self._rng.random() < 0.2:
            found.insert(self._rng.randrange(len(found) + 1), self._rng.choice(events))
        return found

    def written(self, events: list[dict[str, Any]], *, named: bool, done: bool) -> bytes:
        """Encodes as server-sent events, in one of the equivalent forms."""
        parts: list[bytes] = []
        for event in events:
            if self._rng.random() < 0.1:
                parts.append(self._rng.choice([b": ping\n\n", b": PROCESSING\n", b"event: ping\n\n", b"retry: 3000\n"]))
            name = b"event: " + str(event.get("type", "x")).encode("ascii", "replace") + b"\n" if named else b""
            space = b" " if self._rng.random() < 0.9 else b""
            parts.append(name + b"data:" + space + self._json(event) + b"\n\n")
        stream = b"".join(parts) + (b"data: [DONE]\n\n" if done and self._rng.random() < 0.8 else b"")
        if self._rng.random() < 0.1:
            stream = stream.rstrip(b"\n")
        if self._rng.random() < 0.2:
            stream = stream.replace(b"\n", self._rng.choice([b"\r\n", b"\r"]))
        return b"\xef\xbb\xbf" + stream if self._rng.random() < 0.1 else stream

    def cut(self, stream: bytes) -> bytes:
        return stream[: self._rng.randrange(len(stream))]

    def flipped(self, stream: bytes) -> bytes:
        place = self._rng.randrange(len(stream))
        return stream[:place] + bytes([self._rng.randrange(256)]) + stream[place + 1 :]

    def pieces(self, stream: bytes) -> list[bytes]:
        if self._rng.random() < 0.02:
            return [stream[place : place + 1] for place in range(len(stream))]
        places = sorted(self._rng.randrange(len(stream) + 1) for _ in range(self._rng.randrange(6)))
        return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]

    def chance(self, share: float) -> bool:
        return self._rng.random() < share

    def choice(self, names: list[str]) -> str:
        return self._rng.choice(names)

    def _json(self, value: object) -> bytes:
        separators = (",", ":") if self._rng.random() < 0.7 else (", ", ": ")
        if self._rng.random() < 0.3:
            return json.dumps(value, separators=separators).encode()
        text = json.dumps(value, separators=separators, ensure_ascii=False)
        try:
            return text.encode()
        except UnicodeEncodeError:
            return json.dumps(value, separators=separators).encode()

    def _node(self, value: Any, name: str = "") -> Any:
        if isinstance(value, list):
            return [self._node(item, name) for item in value]
        if not isinstance(value, dict):
            return self._value(value, name)
        items = [(key, self._node(item, key)) for key, item in value.items()]
        if self._rng.random() < 0.05:
            self._rng.shuffle(items)
        if self._rng.random() < 0.05 and name not in {"input", "citation"}:
            items.append((f"x_{self._rng.randrange(9)}", self._rng.choice(JUNK)))
        if self._rng.random() < 0.05 and name in {"", "choices"}:
            items.append(("error" if name == "" else "logprobs", self._rng.choice([None, "", {}, False])))
        found = dict(items)
        if name == "delta" and isinstance(found.get("content"), str) and self._rng.random() < 0.05:
            found["content"] = [{"type": "text", "text": found["content"]}]
        return found

    def _value(self, value: Any, name: str) -> Any:
        if self._rng.random() > 0.1:
            return value
        if name in UNNEEDED:
            return self._rng.choice(JUNK)
        if name in NUMBERS and isinstance(value, int):
            return self._rng.choice([float(value), str(value), f"{value}.0"])
        return value

    def _cut(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Splits an event whose text has a character beyond 16 bits into two events with half of it each."""
        data = json.dumps(event)
        for name in ("content", "reasoning_content", "text", "thinking"):
            start = data.find(f'"{name}": "')
            half = data.find("\\ud83", start)
            if start < 0 or half < 0 or data.find('"', start + len(name) + 5) < half or '"usage": {' in data:
                continue
            first = json.loads(data[: half + 6] + data[data.index('"', half) :])
            second = json.loads(data[: start + len(name) + 5] + data[half + 6 :])
            return [first, second]
        return [event]

    def _broken(self, value: Any, share: float) -> Any:
        if self._rng.random() < share:
            return self._rng.choice(JUNK)
        if isinstance(value, list):
            return [self._broken(item, share) for item in value]
        if isinstance(value, dict):
            return {key: self._broken(item, share) for key, item in value.items() if self._rng.random() > share / 5}
        return value
