"""A picture of boxes and arrows from its text: docs/pictures/architecture.txt has the form."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, cast

from generate import svg

END = re.compile(r"(?P<box>\w+)\.(?P<side>left|right|top|bottom)(?P<offset>[+-]\d+)?\Z")
Point = tuple[float, float]
Side = Literal["left", "right", "top", "bottom"]


class Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    def at(self, side: str, offset: float) -> Point:
        """A point of the border, `offset` from the middle of `side`."""
        middle = self.x + self.width / 2, self.y + self.height / 2
        match side:
            case "left":
                return self.x, middle[1] + offset
            case "right":
                return self.x + self.width, middle[1] + offset
            case "top":
                return middle[0] + offset, self.y
            case _:
                return middle[0] + offset, self.y + self.height


def picture(source: str, title: str) -> str:
    width, height = 0.0, 0.0
    boxes: dict[str, Box] = {}
    elements: list[str] = []
    for line in source.splitlines():
        head, *labels = (part.strip() for part in line.split("|"))
        words = head.split()
        match words:
            case ["size", w, h]:
                width, height = float(w), float(h)
            case ["box", name, *numbers, style]:
                boxes[name] = Box(*map(float, numbers))
                elements += _box(boxes[name], cast("svg.Style", style), labels)
            case ["arrow", start, end, style]:
                elements += _arrow(boxes, start, end, cast("svg.Line", style), labels)
    return svg.document(width, height, title, elements)


def _box(box: Box, style: svg.Style, lines: list[str]) -> Iterator[str]:
    yield svg.rectangle(*box, style)
    x = box.x + box.width / 2
    y = box.y + box.height / 2 - (len(lines) - 1) * 8 + 5
    for number, line in enumerate(lines):
        yield svg.text(x, y + number * 16, line, size=12 if number else 14, bold=number == 0)


def _arrow(boxes: dict[str, Box], start: str, end: str, style: svg.Line, labels: list[str]) -> Iterator[str]:
    """Straight if it can be; with a detour above between two tops, else round one corner."""
    (from_side, a), (to_side, b) = _end(boxes, start), _end(boxes, end)
    if from_side == to_side == "top":
        above = min(a[1], b[1]) - 36
        points = [a, (a[0], above), (b[0], above), b]
        place = (a[0] + b[0]) / 2, above
    elif a[0] == b[0] or a[1] == b[1]:
        points = [a, b]
        place = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    else:
        points = [a, (b[0], a[1]), b]
        place = (a[0] + b[0]) / 2, a[1]
    yield svg.path(points, style)
    upright = points[0][0] == points[-1][0]
    for label, shift in zip(labels, (-6, 16), strict=False):
        if label and upright:
            yield svg.text(place[0] + 8 + 3.3 * len(label), place[1] + 4, label)
        elif label:
            yield svg.text(place[0], place[1] + shift, label, ground=True)


def _end(boxes: dict[str, Box], words: str) -> tuple[str, Point]:
    found = END.match(words)
    assert found is not None, words
    return found["side"], boxes[found["box"]].at(found["side"], float(found["offset"] or 0))
