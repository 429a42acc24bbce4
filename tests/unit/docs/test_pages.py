"""Examples, routes, Python and links of the pages are valid, and facts in prose equal the code."""

import ast
import inspect
import re
import typing
from pathlib import Path

import pytest
from generate.page import DOCS, ROOT

from penstock_client import AsyncClient, Client
from penstock_client.http_messages import DEFAULT_URL
from penstock_contract.route.provider import ProviderSpec
from penstock_local.routes.route_files import RouteFile, load, read
from penstock_worker.sessions.calls import circuit_breaker, retry_plan

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples" / "routes").glob("*.yaml"))


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_docs_settings_have_the_default_of_penstock_chat() -> None:
    assert f"| `PENSTOCK_URL` | `{DEFAULT_URL}` |" in text(DOCS / "reference" / "settings.md")


def test_docs_model_route_has_the_times_of_fallback() -> None:
    page = " ".join(text(DOCS / "reference" / "modelroute.md").split())
    for expected in (
        f"a backoff of {retry_plan.BACKOFF_FIRST_S:g} s that doubles up to {retry_plan.BACKOFF_MAX_S:g} s",
        f"`Retry-After` longer than {retry_plan.RETRY_WAIT_MAX_S:g} s",
        f"else for {circuit_breaker.COOLING_FIRST_S:g} s, doubled",
        f"at most {circuit_breaker.COOLING_MAX_S:g} s",
        f"or {circuit_breaker.PROBE_S:g} s have passed",
    ):
        assert expected in page


def test_docs_index_of_decisions_has_each_title() -> None:
    folder = DOCS / "decisions"
    titles = {page.name: text(page).split("\n", 1)[0].lstrip("# ") for page in folder.glob("0*.md")}
    listed = dict(re.findall(r"^- \[\d{4}\]\((.+?)\): (.+)$", text(folder / "index.md"), re.MULTILINE))
    assert listed == {name: re.sub(r"^\d+\W+", "", title) for name, title in titles.items()}


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_docs_python_client_has_every_public_name(kind: type) -> None:
    page = text(DOCS / "how-to" / "python-client.md")
    names = {
        name: f"`{name}`" if isinstance(one, property) else f"{name}("
        for name, one in vars(kind).items()
        if not name.startswith("_")
    }
    assert [name for name, shown in names.items() if shown not in page] == []
    assert [argument for argument in inspect.signature(kind).parameters if f"`{argument}`" not in page] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_docs_example_is_valid(path: Path) -> None:
    assert load(read([str(path)]))


def test_docs_routes_in_pages_are_valid() -> None:
    found = [(page, block) for page in PAGES for block in blocks(page, "yaml") if "kind: ModelRoute" in block]
    assert found
    for page, block in found:
        assert load([RouteFile(page.name, block)])


@pytest.mark.parametrize(
    "page", [DOCS / "tutorials" / "first-route.md", DOCS / "reference" / "modelroute.md"], ids=name
)
def test_docs_example_in_a_page_is_the_file_that_it_names(page: Path) -> None:
    file = ROOT / "examples" / "routes" / "fallback.yaml"
    assert file.relative_to(ROOT).as_posix() in text(page)
    written = "".join(line for line in text(file).splitlines(keepends=True) if not line.startswith("#"))
    assert written in blocks(page, "yaml")


def test_docs_fallback_example_shows_fallback() -> None:
    spec = load(read([str(ROOT / "examples" / "routes" / "fallback.yaml")]))[0].route.spec
    assert len({provider.priority for provider in spec.providers}) == 2
    assert any(provider.base_url for provider in spec.providers)
    assert spec.models[0].aliases


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_docs_python_in_a_page_imports_what_exists(page: Path) -> None:
    if page.name == "client-libraries.md" or page.parent.name == "clients":
        pytest.skip("its snippets run in the environments of tests/clients")
    for block in blocks(page, "python"):
        imports = [node for node in ast.parse(block).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_docs_links_into_the_repository_lead_somewhere(page: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", text(page)):
        target = (page.parent / path) if path else page
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", text(target), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def text(page: Path) -> str:
    return page.read_text("utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_docs_modules_in_a_page_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        pytest.skip("it names what existed then")
    for path in re.findall(r"`(penstock_\w+/[\w/]+\.py)`", text(page)):
        assert list(ROOT.glob(f"*/src/{path}")), path


def test_docs_pages_that_code_refers_to_exist() -> None:
    sources = [
        path
        for pattern in ("*/src/**/*.py", "charts/**/*.yaml", "charts/**/*.json", "examples/**/*.yaml", "Makefile")
        for path in ROOT.glob(pattern)
    ]
    references = {(path, page) for path in sources for page in re.findall(r"docs/[\w/-]+\.md", text(path))}
    assert len(references) > 10
    assert [(name(path), page) for path, page in references if not (ROOT / page).exists()] == []


def test_docs_ten_questions_have_their_files() -> None:
    rows = re.findall(r"^\| ([^|]+\?) \| (.+) \|$", text(ROOT / "CONTRIBUTING.md"), re.MULTILINE)
    assert len(rows) == 10
    assert all(re.search(r"`penstock_\w+/[\w/]+\.py`", files) for _, files in rows)


@pytest.mark.parametrize(
    ("heading", "most"), [("The files of one token", 15), ("The files of one `kubectl apply`", 25)]
)
def test_docs_walk_through_the_code_is_short(heading: str, most: int) -> None:
    _, _, section = text(ROOT / "ARCHITECTURE.md").partition(f"\n### {heading}")
    files = set(re.findall(r"`(penstock_\w+/[\w/]+\.py)`", section.partition("\n## ")[0]))
    assert 10 <= len(files) <= most


def test_docs_recipes_have_a_route_for_each_provider_type() -> None:
    written = "".join(blocks(DOCS / "how-to" / "providers.md", "yaml"))
    types = typing.get_args(typing.get_type_hints(ProviderSpec)["type"])
    assert types
    assert [type_ for type_ in types if f"type: {type_}" not in written] == []
