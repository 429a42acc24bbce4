"""A hook of mkdocs: pages that are outside docs/, because GitHub shows them there, are pages of the site too.

Links are rewritten in both directions, so that one text serves the repository and the site. It runs in the
environment of the site: nothing of Penstock can be imported here.
"""

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE: Final = {
    "ARCHITECTURE.md": "outside/architecture.md",
    "CONTRIBUTING.md": "outside/contributing.md",
    "CHANGELOG.md": "outside/changelog.md",
    "benchmarks/README.md": "outside/benchmarks.md",
    "charts/penstock/README.md": "reference/chart.md",
    "README.md": "index.md",
}
"""Path in the repository to path in docs/. The last two have a page of their own there."""
LINK: Final = re.compile(r"\]\((?!https?:|mailto:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]+)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    root = Path(config.docs_dir).parent
    for source, target in OUTSIDE.items():
        if target.startswith("outside/"):
            files.append(File.generated(config, target, content=(root / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Only links that leave docs/, or that stand in a page from outside, change."""
    here = next((source for source, target in OUTSIDE.items() if target == page.file.src_uri), None)
    source = here if here is not None and page.file.src_uri.startswith("outside/") else f"docs/{page.file.src_uri}"

    def link(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), found["path"]))
        if path == "docs/decisions":
            path = "docs/decisions/index.md"
        target = OUTSIDE.get(path) or path.removeprefix("docs/")
        return f"]({posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or '.')}{found['anchor'] or ''})"

    return LINK.sub(link, markdown)
