"""YAML text as plain documents, with a bound on everything that can grow while it is read.

A look at the parser's events comes first: it costs no recursion and no copy, and gives the size of the documents
with their aliases replaced. Only text that is within the bounds is built. Must not depend on a document's meaning.
"""

import math
import re
import types
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import yaml

BYTES_MAX: Final = 1024 * 1024
"""A resource may have 1.5 MB in the cluster's store, and the longest useful one has a few thousand."""
DEPTH_MAX: Final = 64
"""A pod's affinity, the deepest there is, has a dozen levels."""
NODES_MAX: Final = 20_000
"""Of one text, counted as if each alias were a copy of what it stands for."""
INTEGER_DIGITS_MAX: Final = 4_000
"""Fewer than what Python refuses to convert (4 300)."""
_INTEGERS: Final = range(-(2**63), 2**63)
_NUMBER: Final = re.compile(r"[-+.0-9][-+_:.xXa-fA-F0-9]*")
_JSON: Final = (dict, list, str, int, float, bool, types.NoneType)
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
# The C loader takes a tenth of the time, but a build of PyYAML may lack it.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """Leaves what looks like a date as text, as kubectl does."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in _Safe.yaml_implicit_resolvers.items()
    }


class InvalidText(Exception):  # noqa: N818 - named like InvalidRoutes, which it becomes
    """The text cannot be used. `line` counts from 1; None where the problem is not in one line."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def documents(text: str) -> list[Any]:
    """The text's documents, which `check` has not seen. Raises `InvalidText`."""
    if len(text) > BYTES_MAX:
        raise InvalidText(f"it has more than {BYTES_MAX} bytes; split it into several files")
    try:
        _measure(text)
        return list(yaml.load_all(text, _Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = f"not YAML: {getattr(error, 'problem', error)}"
        raise InvalidText(message, mark.line + 1 if mark else None) from error
    except (ValueError, OverflowError, TypeError, AttributeError, LookupError) as error:
        # PyYAML's constructors raise these for what a tag cannot be: !!int x, !!timestamp x, !!float '::'.
        raise InvalidText(f"not YAML: a value cannot be read ({type(error).__name__})") from error


def _measure(text: str) -> None:
    """Size and depth of what the text stands for, aliases replaced; raises where a bound is passed."""
    measure = _Measure()
    for event in yaml.parse(text, _Loader):
        measure.add(event, event.start_mark.line + 1 if event.start_mark else 1)


class _Measure:
    def __init__(self) -> None:
        self._nodes = 0
        self._anchors: dict[str, tuple[int, int] | None] = {}
        """Nodes and depth of each anchored value; None while it is open."""
        self._opened: list[tuple[str | None, int, int]] = []
        """Of each open collection: its anchor, the count of nodes before it, and its depth so far."""

    def add(self, event: yaml.Event, line: int) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()
        elif isinstance(event, yaml.CollectionStartEvent):
            self._opened.append((event.anchor, self._nodes, 0))
            self._anchor(event.anchor, None)
            self._count(1, 0, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before, depth = self._opened.pop()
            self._anchor(anchor, (self._nodes - before, depth))
            self._count(0, depth + 1, line)
        elif isinstance(event, yaml.ScalarEvent):
            _bound_number(event, line)
            self._anchor(event.anchor, (1, 0))
            self._count(1, 0, line)
        elif isinstance(event, yaml.AliasEvent):
            self._count(*self._aliased(str(event.anchor), line), line)

    def _anchor(self, name: str | None, measured: tuple[int, int] | None) -> None:
        if name is not None:
            self._anchors[name] = measured

    def _aliased(self, name: str, line: int) -> tuple[int, int]:
        if name not in self._anchors:
            raise InvalidText(f"the alias *{name} has no anchor before it", line)
        if (measured := self._anchors[name]) is None:
            raise InvalidText(f"the alias *{name} stands inside what it refers to", line)
        return measured[0], measured[1] + 1

    def _count(self, nodes: int, depth: int, line: int) -> None:
        """`depth` is that of a value which has just ended in the innermost open collection."""
        self._nodes += nodes
        if self._nodes > NODES_MAX:
            raise InvalidText(f"more than {NODES_MAX} values, those that an alias repeats included", line)
        if len(self._opened) + depth > DEPTH_MAX:
            raise InvalidText(f"more than {DEPTH_MAX} levels of nesting", line)
        if self._opened:
            anchor, before, deepest = self._opened[-1]
            self._opened[-1] = (anchor, before, max(deepest, depth))


def _bound_number(event: yaml.ScalarEvent, line: int) -> None:
    converted = event.tag is not None or not event.style
    if len(event.value) > INTEGER_DIGITS_MAX and converted and _NUMBER.fullmatch(event.value):
        raise InvalidText(f"a number of more than {INTEGER_DIGITS_MAX} digits", line)


def check(document: object) -> None:
    """Refuse values that JSON lacks: the cluster could not store them. Raises `InvalidText`."""
    for value in _values(document):
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidText(f"the number {value} is not finite")
        if isinstance(value, int) and value not in _INTEGERS:
            raise InvalidText("an integer of more than 64 bits")
        if isinstance(value, dict) and (odd := [key for key in value if not isinstance(key, str)]):
            raise InvalidText(f"the field name {odd[0]!r} is not text; put it in quotes")
        if not isinstance(value, _JSON):
            raise InvalidText(f"a value of YAML's own type {type(value).__name__}, which JSON does not have")
        if isinstance(value, str) and not _encodable(value):
            raise InvalidText("text with half of a surrogate pair")


def _values(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
