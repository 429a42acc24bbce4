"""Fails if a built site loads anything from another host: `python local_only.py FOLDER`. Links may lead anywhere.

It uses the standard library alone: the environment of the site has nothing of Penstock.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
REMOTE = re.compile(r"(https?:)?//")
STYLE = re.compile(r"@import[^;]*?(?:https?:)?//[^;]*|url\(\s*['\"]?(?:https?:)?//[^)]*\)")
POINTS = {"canonical", "alternate", "prev", "next"}
"""Values of `rel` that refer to a page and load nothing."""


class Loads(HTMLParser):
    """The addresses of other hosts that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get(LOADED.get(tag, "")) or ""
        if REMOTE.match(address) and not (tag == "link" and (values.get("rel") or "") in POINTS):
            self.found.append(address)
        # The theme's script loads mermaid from a CDN for such an element.
        if "mermaid" in (values.get("class") or "").split():
            self.found.append("mermaid")


def remote(site: Path) -> Iterator[str]:
    """One line for each thing that is loaded from elsewhere."""
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text("utf-8"))
        yield from (f"{page.relative_to(site)}: {address}" for address in loads.found)
    for sheet in site.rglob("*.css"):
        yield from (f"{sheet.relative_to(site)}: {rule}" for rule in STYLE.findall(sheet.read_text("utf-8")))


if __name__ == "__main__":
    lines = sorted(set(remote(Path(sys.argv[1]))))
    if lines or not (Path(sys.argv[1]) / "index.html").exists():
        sys.exit("\n".join(["the site loads from another host, or is empty:", *lines]))
