"""Generated parts of a page: found by their markers and replaced by text from the code."""

import os.path
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
MARKED = re.compile(r"(?<=<!-- generated: )(?P<name>[^\n]+?) -->\n(?P<text>.*?)(?=<!-- end -->)", re.DOTALL)
REFERENCE = re.compile(r"(?<!\]\()(?<![\w/`])docs/(?P<path>[\w/-]+\.md)(?P<anchor>#[\w-]+)?")
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)

Sections = Mapping[str, Callable[[], str]]


class UnknownSectionError(KeyError):
    """A page has a marker for which there is no section."""


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def rendered(page: Path, sections: Sections) -> str:
    """The page's text with every generated part renewed."""

    def renew(found: re.Match[str]) -> str:
        if (section := sections.get(found["name"])) is None:
            raise UnknownSectionError(f"{page}: {found['name']}")
        return f"{found['name']} -->\n{linked(section(), page)}\n"

    return MARKED.sub(renew, page.read_text("utf-8"))


def write(page: Path, sections: Sections) -> None:
    text = rendered(page, sections)
    if text != page.read_text("utf-8"):
        page.write_text(text, "utf-8")


def linked(text: str, page: Path) -> str:
    """`text` with each `docs/…md` that the code refers to as a link from `page`, named by the target's title."""

    def link(found: re.Match[str]) -> str:
        target = DOCS / found["path"]
        title = TITLE.search(target.read_text("utf-8"))
        assert title is not None, f"{target} has no title"
        path = os.path.relpath(target, page.parent) if target != page else ""  # Path.relative_to walks up from 3.12 on
        return f"[{title[1]}]({path}{found['anchor'] or ''})"

    return REFERENCE.sub(link, text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table without a trailing line break; a bar in a cell would end the cell and is refused."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        assert not any("|" in cell or "\n" in cell for cell in row), row
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)
