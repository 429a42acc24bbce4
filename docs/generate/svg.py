"""The elements of SVG that the pictures use. No font, script or style is loaded from anywhere."""

from collections.abc import Iterable
from html import escape
from typing import Final, Literal

Style = Literal["outside", "part", "broker"]
Line = Literal["solid", "stream"]

INK: Final = "#1f2937"
FILL: Final[dict[Style, str]] = {"outside": "#ffffff", "part": "#dbeafe", "broker": "#dcfce7"}
STROKE: Final[dict[Line, str]] = {"solid": INK, "stream": "#b45309"}
FONT: Final = "system-ui, sans-serif"


def document(width: float, height: float, title: str, elements: Iterable[str]) -> str:
    """On a white ground, so that the picture is legible on a dark page too."""
    markers = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="{colour}"/></marker>'
        for name, colour in STROKE.items()
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="{FONT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<defs>{markers}</defs>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#ffffff"/>',
        *elements,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def rectangle(x: float, y: float, width: float, height: float, style: Style) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{FILL[style]}" stroke="{INK}"/>'
    )


def text(x: float, y: float, words: str, *, size: float = 12, bold: bool = False, ground: bool = False) -> str:
    """Centred at `x`, on the base line `y`. `ground` keeps a line that crosses the text from striking it through."""
    weight = ' font-weight="600"' if bold else ""
    halo = ' stroke="#ffffff" stroke-width="5" paint-order="stroke"' if ground else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="middle" fill="{INK}"{weight}{halo}>'
        f"{escape(words)}</text>"
    )


def path(points: Iterable[tuple[float, float]], style: Line) -> str:
    """A line through `points` with its arrow at the last one."""
    steps = " ".join(f"{x:g} {y:g}" for x, y in points)
    dashes = ' stroke-dasharray="5 3"' if style == "stream" else ""
    return (
        f'<path d="M{steps}" fill="none" stroke="{STROKE[style]}" stroke-width="1.4"{dashes}'
        f' marker-end="url(#{style})"/>'
    )


def rule(x: float, top: float, bottom: float) -> str:
    """A thin vertical line."""
    return f'<path d="M{x:g} {top:g} {x:g} {bottom:g}" stroke="#9ca3af"/>'
