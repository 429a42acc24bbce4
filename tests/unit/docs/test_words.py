"""Texts are plain technical English: components are not personified, and a table cell is a phrase."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from generate.page import ROOT

# Forms of say, tell and hear, and persons that stand for a component.
PERSONIFYING = re.compile(
    r"\b(says?|said|saying|tells?|told|telling|hears?|heard|hearing|knocks?|knocked|whom|whoever|nobody|somebody|everybody)\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
LIMIT_IN_PAGES = 0.5
LIMIT_IN_CODE = 0.5
"""Per 1 000 words; 0.1 when it was last measured."""
CELL_WORDS_MAX = 40

SKIPPED = {".venv", ".cache", "node_modules"}
PAGES = sorted(page for page in ROOT.rglob("*.md") if not SKIPPED & set(page.relative_to(ROOT).parts))
MODULES = sorted(ROOT.glob("*/src/**/*.py"))


def test_docs_pages_do_not_personify() -> None:
    check({page: prose(page.read_text("utf-8")) for page in PAGES}, LIMIT_IN_PAGES)


def test_docs_comments_and_docstrings_do_not_personify() -> None:
    check({module: " ".join(comments(module)) for module in MODULES}, LIMIT_IN_CODE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_docs_table_cells_are_phrases(page: Path) -> None:
    for line in prose(page.read_text("utf-8"), keep_spans=True).splitlines():
        if line.startswith("|"):
            for cell in line.strip("|").split("|"):
                assert len(cell.split()) <= CELL_WORDS_MAX, cell


def check(texts: dict[Path, str], limit: float) -> None:
    """The rate over all texts; the message has the words of each text, the worst first."""
    found = {path: Counter(word.lower() for word in PERSONIFYING.findall(text)) for path, text in texts.items()}
    words = sum(len(WORD.findall(text)) for text in texts.values())
    rate = 1000 * sum(counter.total() for counter in found.values()) / words
    worst = sorted(found.items(), key=lambda one: -one[1].total())[:20]
    listed = "\n".join(f"{path.relative_to(ROOT)}: {dict(counter)}" for path, counter in worst if counter)
    assert rate <= limit, f"{rate:.1f} per 1 000 words, at most {limit}\n{listed}"


def prose(text: str, *, keep_spans: bool = False) -> str:
    """The text without code blocks and addresses of links; without code spans, too, unless they are kept."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?: {4}|\t)(?! *[-*\d]).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return text if keep_spans else re.sub(r"`[^`\n]*`", "", text)


def comments(module: Path) -> Iterator[str]:
    """Yields comments and docstrings, those below an attribute included."""
    source = module.read_text("utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("# ")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


@pytest.mark.parametrize(
    ("text", "count"),
    [("The broker says so and tells whoever hears it.", 4), ("It publishes. `somebody`", 0), ("```\nsays\n```\n", 0)],
)
def test_docs_personifying_words_are_counted(text: str, count: int) -> None:
    assert len(PERSONIFYING.findall(prose(text))) == count
