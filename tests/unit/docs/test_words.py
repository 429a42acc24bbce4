"""Texts are plain technical English: components are not personified, and a table cell is a phrase."""

import ast
import io
import os
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from generate.page import ROOT

# Verbs of persons, and persons that stand for a component. "Known", "wanted" and "trusted" are states of data; tasks
# wake and processes sleep in the sense of the operating system.
PERSONIFYING = re.compile(
    r"\b(says?|said|saying|tells?|told|telling|hears?|heard|hearing|knocks?|knocked|speaks?|spoke|spoken|speaking"
    r"|know|knows|knew|knowing|asks?|asked|asking|wants?|wanting|thinks?|believes?|believed|forgets?|forgot|forgotten"
    r"|learns?|learned|learnt|trusts?|dies|died|dying|whom|whoever|nobody|somebody|everybody|anybody|everyone|anyone)\b",
    re.IGNORECASE,
)
# About the reader, who is a person; the words of this rule; an option's text that addresses the user.
ALLOWED = re.compile(
    r"you want to|learn step by step|that you trust|do not say, tell or hear|Do not ask\.", re.IGNORECASE
)
QUESTION = re.compile(r"(who|whom|whose|what|whether)\b", re.IGNORECASE)
SCRIPT_COMMENT = re.compile(r"(?:^|\s)//\s.*|/\*[\s\S]*?\*/", re.MULTILINE)
HASH_COMMENT = re.compile(r"(?:^|\s)#+\s.*", re.MULTILINE)
CELL_WORDS_MAX = 40

SKIPPED = {".git", ".venv", ".cache", "node_modules", "dist", "build", "site", "fixtures"}
SKIPPED |= {".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".benchmarks"}


def sources() -> Iterator[Path]:
    """Yields the files of the repository, without those that tools have made or that samples were taken from."""
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(set(inner) - SKIPPED)
        yield from (Path(folder) / name for name in sorted(names))


SOURCES = list(sources())
PAGES = [path for path in SOURCES if path.suffix == ".md"]
MODULES = [path for path in SOURCES if path.suffix == ".py"]
SCRIPTS = [path for path in SOURCES if path.suffix in {".ts", ".js", ".mjs", ".css"}]
CONFIGURATION = [
    path
    for path in SOURCES
    if path.suffix in {".yaml", ".yml", ".toml", ".sh"} or path.name in {"Makefile", "Dockerfile", "run"}
]


def test_docs_pages_do_not_personify() -> None:
    check({page: prose(page.read_text("utf-8")) for page in PAGES})


def test_docs_comments_and_docstrings_do_not_personify() -> None:
    check({module: prose(" ".join(comments(module))) for module in MODULES if module != Path(__file__)})


def test_docs_comments_of_scripts_do_not_personify() -> None:
    check({path: prose(" ".join(SCRIPT_COMMENT.findall(path.read_text("utf-8")))) for path in SCRIPTS})


def test_docs_comments_of_configuration_do_not_personify() -> None:
    check({path: prose(" ".join(HASH_COMMENT.findall(path.read_text("utf-8")))) for path in CONFIGURATION})


def test_docs_docstrings_begin_with_a_verb_or_a_noun() -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = {
        f"{module.relative_to(ROOT)}: {text.splitlines()[0]}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, kinds) and QUESTION.match(text := ast.get_docstring(node) or "")
    }
    assert not first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_docs_table_cells_are_phrases(page: Path) -> None:
    for line in prose(page.read_text("utf-8"), keep_spans=True).splitlines():
        if line.startswith("|"):
            for cell in line.strip("|").split("|"):
                assert len(cell.split()) <= CELL_WORDS_MAX, cell


def check(texts: dict[Path, str]) -> None:
    assert texts
    found = {path: Counter(personifying(text)) for path, text in texts.items()}
    listed = "\n".join(f"{path.relative_to(ROOT)}: {dict(counter)}" for path, counter in found.items() if counter)
    assert not listed, f"name the protocol's verb instead\n{listed}"


def personifying(text: str) -> list[str]:
    return [word.lower() for word in PERSONIFYING.findall(ALLOWED.sub("", re.sub(r"\s+", " ", text)))]


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
    [
        ("The broker says so and tells whoever hears it.", 4),
        ("It knows what you want to read.", 1),
        ("It publishes. `somebody`", 0),
        ("```\nsays\n```\n", 0),
    ],
)
def test_docs_personifying_words_are_counted(text: str, count: int) -> None:
    assert len(personifying(prose(text))) == count
