"""A sequence diagram from its text: docs/pictures/stream.txt has the form."""

import re
from typing import Final

from generate import svg

STEP: Final = re.compile(r"(?P<sender>[^:>]+?) (?P<arrow>-->|->) (?P<receiver>[^:]+): (?P<words>.+)")
DOES: Final = re.compile(r"(?P<who>[^:>]+): (?P<words>.+)")
COLUMN: Final = 200.0
ROW: Final = 34.0
TOP: Final = 64.0


def picture(source: str, title: str) -> str:
    lines = [line for line in source.splitlines() if line and not line.startswith("#")]
    names = [name.strip() for name in lines[0].removeprefix("participants ").split(",")]
    middle = {name: COLUMN * (number + 0.5) for number, name in enumerate(names)}
    width, height = COLUMN * len(names), TOP + ROW * (len(lines) - 1) + 24
    elements = []
    for name, x in middle.items():
        elements += [
            svg.rule(x, 44, height - 12),
            svg.rectangle(x - 66, 12, 132, 32, "broker" if "NATS" in name else "part"),
            svg.text(x, 33, name, size=14, bold=True),
        ]
    for number, line in enumerate(lines[1:]):
        y = TOP + ROW * number + 22
        if (step := STEP.fullmatch(line)) is not None:
            a, b = middle[step["sender"]], middle[step["receiver"]]
            elements += [
                svg.path([(a, y), (b, y)], "stream" if step["arrow"] == "-->" else "solid"),
                svg.text((a + b) / 2, y - 7, step["words"], ground=True),
            ]
        else:
            does = DOES.fullmatch(line)
            assert does is not None, line
            elements += _action(middle[does["who"]], y, does["words"])
    return svg.document(width, height, title, elements)


def _action(x: float, y: float, words: str) -> list[str]:
    width = 7.0 * len(words) + 14
    left = max(6.0, x - width / 2)
    return [svg.rectangle(left, y - 16, width, 24, "outside"), svg.text(left + width / 2, y, words)]
