"""The reference pages say what the code says: every field, bound, default, rule and code, and every example works."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import NODEFAULT, Struct
from msgspec.inspect import (
    AnyType,
    BoolType,
    DateTimeType,
    DictType,
    Field,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from penstock_client import AsyncClient, Client
from penstock_client.exchange import DEFAULT_URL
from penstock_contract import endpoints, provider_matrix, route_placement
from penstock_contract.crd.resource import COLUMNS
from penstock_contract.endpoints import Endpoint, StreamEndpoint
from penstock_contract.errors import ERRORS
from penstock_contract.money import PerMillion
from penstock_contract.route import (
    ApiVersion,
    DnsLabel,
    HeaderName,
    ModelRoute,
    PrintableName,
    SecretKeyRef,
    Url,
    secret_variable,
)
from penstock_contract.route_status import ModelRouteStatus, Reason
from penstock_contract.route_worker import VariableName
from penstock_contract.rules import LOCAL_ADDRESS, NAME, RULES
from penstock_contract.settings import variable
from penstock_contract.subjects import TOKEN
from penstock_gateway.settings import AdminToken, FirstKeySecret, GatewaySettings
from penstock_local import __main__ as dev
from penstock_local.route_files import RouteFile, load, read
from penstock_operator.settings import OperatorSettings, SecretName
from penstock_worker import routing
from penstock_worker.settings import WorkerSettings

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples" / "routes").glob("*.yaml"))

Row = tuple[str, ...]

PATTERNS = {
    info.pattern: name
    for alias, name in (
        (DnsLabel, "DNS label"),
        (HeaderName, "lower-case header name"),
        (Url, "http(s) URL"),
        (PrintableName, "text without control characters"),
        (ApiVersion, "date of an API"),
        (AdminToken, "32 to 512 visible characters"),
        (FirstKeySecret, "API key"),
        (PerMillion, "decimal number"),
        (VariableName, "name of a variable"),
        (SecretName, "name of a Secret"),
        (Reason, "one word"),
    )
    if isinstance(info := type_info(alias), StrType)
} | {rf"^{TOKEN.pattern}\Z": "1 to 63 letters, digits, `-` and `_`"}


def test_every_field_of_a_model_route_is_in_its_page_with_its_description() -> None:
    fields = set(_fields(ModelRoute))
    assert _rows(DOCS / "reference" / "modelroute.md", columns=4) >= fields
    assert _named(DOCS / "reference" / "modelroute.md", r"(apiVersion|kind|metadata|spec)\b") == {
        row[0] for row in fields
    }


def test_every_field_of_a_status_is_in_the_page_of_model_route() -> None:
    fields = {(path, type_, told) for path, type_, _, told in _fields(ModelRouteStatus, "status.")}
    told = {row for row in _rows(DOCS / "reference" / "modelroute.md", columns=3) if row[0].startswith("`status.")}
    assert told == fields


def test_every_column_of_kubectl_get_is_in_the_page_of_model_route() -> None:
    told = [f"| `{column['name'].upper()}` | {column['description']} |" for column in COLUMNS]
    assert "\n".join(told) in _text(DOCS / "reference" / "modelroute.md")


@pytest.mark.parametrize(
    ("heading", "kind"),
    [("Gateway", GatewaySettings), ("Worker", WorkerSettings), ("Operator", OperatorSettings)],
    ids=["gateway", "worker", "operator"],
)
def test_every_setting_is_in_its_page(heading: str, kind: type[Struct]) -> None:
    text = _text(DOCS / "reference" / "settings.md").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    told = {row[:3] for row in _table_rows(text) if row[0].startswith("`PENSTOCK_")}
    assert told == {(f"`{variable(field.name)}`", _type(field.type), _default(field)) for field in _info(kind).fields}


def test_every_option_of_penstock_dev_is_in_its_page() -> None:
    told = {row[0] for row in _rows(DOCS / "reference" / "settings.md", columns=1)}
    actions = dev._parser()._actions
    assert told >= {", ".join(f"`{option}`" for option in action.option_strings) for action in actions}


def test_the_variables_of_penstock_chat_are_in_the_page_of_settings() -> None:
    told = _rows(DOCS / "reference" / "settings.md", columns=2)
    assert told >= {("`PENSTOCK_URL`", f"`{DEFAULT_URL}`"), ("`PENSTOCK_API_KEY`", "not set")}


def test_the_page_of_providers_has_the_tables_that_the_code_makes() -> None:
    text = _text(DOCS / "reference" / "providers.md")
    for made in (provider_matrix.matrix(), provider_matrix.embeddings_matrix(), provider_matrix.steering()):
        assert made in text


@pytest.mark.parametrize("message", [rule.message for rule in (*RULES, LOCAL_ADDRESS, NAME)])
def test_every_rule_is_in_the_page_of_model_route(message: str) -> None:
    assert (message,) in _rows(DOCS / "reference" / "modelroute.md", columns=1)


def test_the_page_of_model_route_names_the_variables_of_its_secrets() -> None:
    told = re.findall(
        r"^\| `\{name: (\S+), key: (\S+)\}` \| `(\w+)` \|$", _text(DOCS / "reference" / "modelroute.md"), re.MULTILINE
    )
    assert told
    assert all(secret_variable(SecretKeyRef(name=name, key=key)) == made for name, key, made in told)


def test_every_failure_that_calls_for_another_try_is_in_the_page_of_model_route() -> None:
    told = {
        code for row in _rows(DOCS / "reference" / "modelroute.md", columns=2) if (code := row[1].strip("`")) in ERRORS
    }
    assert told == set(routing.AFTER)


def test_the_times_of_fallback_are_in_the_page_of_model_route() -> None:
    text = " ".join(_text(DOCS / "reference" / "modelroute.md").split())
    for told in (
        f"a backoff of {routing.BACKOFF_FIRST_S:g} s that doubles up to {routing.BACKOFF_MAX_S:g} s",
        f"`Retry-After` longer than {routing.RETRY_AFTER_MAX_S:g} s",
        f"else for {routing.COOLING_FIRST_S:g} s, doubled",
        f"at most {routing.COOLING_MAX_S:g} s",
        f"or {routing.PROBE_S:g} s have passed",
    ):
        assert told in text


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_a_client_can_get_is_in_the_page_of_errors(code: str) -> None:
    # A 499 is for the log: its client has gone.
    kind = ERRORS[code]  # type: ignore[index]
    assert kind.status == 499 or any(
        f"`{code}`" in row[2] and row[1] == str(kind.status)
        for row in _rows(DOCS / "reference" / "errors.md", columns=3)
    )


def test_every_endpoint_is_in_the_page_of_the_client() -> None:
    found = {name: value for name, value in vars(endpoints).items() if isinstance(value, Endpoint | StreamEndpoint)}
    told = {
        row[0].strip("`"): row[1:]
        for row in _rows(DOCS / "how-to" / "python-client.md", columns=4)
        if row[0].strip("`").isupper()
    }
    assert told.keys() == found.keys()
    for name, endpoint in found.items():
        door, request, gives = told[name]
        assert door == f"`{endpoint.method} {endpoint.path}`"
        assert request == ("none" if endpoint.request is type(None) else f"`{endpoint.request.__name__}`")
        if isinstance(endpoint, StreamEndpoint):
            assert gives == f"stream of `{endpoint.chunk.__name__}`"
        else:
            assert gives.startswith(f"`{endpoint.response.__name__}`")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_everything_public_of_the_client_is_in_its_page(kind: type) -> None:
    text = _text(DOCS / "how-to" / "python-client.md")
    methods = [name for name in vars(kind) if not name.startswith("_")]
    assert [name for name in methods if f"{name}(" not in text] == []
    assert [name for name in list(inspect.signature(kind).parameters) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_valid(path: Path) -> None:
    assert load(read([str(path)]))


def test_every_route_in_a_page_is_valid() -> None:
    blocks = [(page, block) for page in PAGES for block in _blocks(page, "yaml")]
    assert blocks
    for page, block in blocks:
        assert load([RouteFile(page.name, block)])


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "reference" / "modelroute.md"], ids=lambda page: page.name)
def test_the_example_in_a_page_is_the_file_that_it_names(page: Path) -> None:
    file = ROOT / "examples" / "routes" / "fallback.yaml"
    assert file.relative_to(ROOT).as_posix() in _text(page)
    written = "".join(line for line in _text(file).splitlines(keepends=True) if not line.startswith("#"))
    assert written in _blocks(page, "yaml")


def test_the_example_of_fallback_shows_what_it_is_for() -> None:
    spec = load(read([str(ROOT / "examples" / "routes" / "fallback.yaml")]))[0].route.spec
    assert len({provider.priority for provider in spec.providers}) == 2
    assert any(provider.base_url for provider in spec.providers)
    assert spec.models[0].aliases


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_a_page_is_python_and_imports_what_exists(page: Path) -> None:
    if page.name == "client-libraries.md":
        pytest.skip("its snippets run in the environments of tests/clients")
    for block in _blocks(page, "python"):
        imports = [node for node in ast.parse(block).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_into_the_repository_leads_somewhere(page: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", _text(page)):
        target = (page.parent / path) if path else page
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", _text(target), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _fields(kind: type[Struct], prefix: str = "") -> Iterator[Row]:
    """(`path`, type, default, meaning) of every field, as the page's tables write it."""
    for field in _info(kind).fields:
        path = prefix + field.encode_name
        inner = _plain(field.type)
        nested = inner.item_type if isinstance(inner, ListType) else inner
        # `metadata` and `spec` themselves have no row: what is in them has.
        if not (isinstance(inner, StructType) and field.required):
            yield f"`{path}`", _type(inner), _default(field), _description(field)
        # Kubernetes' own types have Kubernetes' own pages.
        if isinstance(nested, StructType) and nested.cls.__module__ != route_placement.__name__:
            yield from _fields(nested.cls, f"{path}[]." if isinstance(inner, ListType) else f"{path}.")


def _info(kind: type[Struct]) -> StructType:
    info = type_info(kind)
    assert isinstance(info, StructType)
    return info


def _description(field: Field) -> str:
    return (field.type.extra_json_schema or {}).get("description", "") if isinstance(field.type, Metadata) else ""


def _plain(type_: Type) -> Type:
    """The type without its None and its description."""
    if isinstance(type_, Metadata):
        return _plain(type_.type)
    if not isinstance(type_, UnionType):
        return type_
    inner = [member for member in type_.types if not isinstance(member, NoneType)]
    return _plain(inner[0]) if len(inner) == 1 else type_


def _type(type_: Type) -> str:  # noqa: C901, PLR0912 - one line per kind of type
    match _plain(type_):
        case StrType(pattern=str(pattern), max_length=None):
            return PATTERNS[pattern]
        case StrType(pattern=str(pattern), max_length=longest):
            return f"{PATTERNS[pattern]}, at most {longest} characters"
        case StrType(min_length=None, max_length=None):
            return "text"
        case StrType(min_length=None, max_length=longest):
            return f"text, at most {longest} characters"
        case StrType(min_length=shortest, max_length=longest):
            return f"{shortest} to {longest} characters"
        case IntType(ge=lowest, le=None):
            return f"integer ≥ {lowest}"
        case IntType(ge=lowest, le=highest):
            return f"integer {lowest} to {highest}"
        case FloatType(gt=None, ge=lowest, le=highest):
            return f"number {lowest} to {highest}"
        case FloatType(gt=above, le=highest):
            return f"number > {above}, ≤ {highest}"
        case BoolType():
            return "true or false"
        case DateTimeType():
            return "time (RFC 3339)"
        case LiteralType(values=values):
            *others, last = (f"`{value}`" for value in values)
            return f"{', '.join(others)} or {last}" if others else last
        case ListType(item_type=StructType(), min_length=None, max_length=most):
            return f"at most {most} objects"
        case ListType(item_type=StructType(), min_length=least, max_length=most):
            return f"{least} to {most} objects"
        case DictType(value_type=AnyType()):
            return "object"
        case DictType(value_type=UnionType(), max_length=most):
            return f"at most {most} quantities by name"
        case DictType(max_length=most):
            return f"at most {most} texts by name"
        case ListType(item_type=Metadata(), max_length=most):
            return f"at most {most} objects"
        case ListType(item_type=item, max_length=most):
            return f"at most {most}, each {_type(item)}"
        case StructType():
            return "object"
    raise AssertionError(type_)


def _default(field: Field) -> str:
    if field.required:
        return "required"
    factory = None if field.default_factory is NODEFAULT else field.default_factory
    value: Any = field.default if field.default is not NODEFAULT else factory and factory()
    match value:
        case None:
            return "not set"
        case "":
            return "none"
        case str():
            return f"`{value}`" if value else "empty"
        case float():
            return f"`{value:g}`"
        case _:
            # A Struct whose fields all have their defaults is written as `{}`.
            return f"`{msgspec.json.encode(value).decode()}`"


def _text(page: Path) -> str:
    return page.read_text("utf-8")


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _text(page), re.MULTILINE | re.DOTALL)


def _table_rows(text: str) -> list[Row]:
    lines = (line for line in text.splitlines() if line.startswith("| "))
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def _rows(page: Path, *, columns: int) -> set[Row]:
    """The first `columns` cells of every row of every table that has as many."""
    return {row[:columns] for row in _table_rows(_text(page)) if len(row) >= columns}


def _named(page: Path, start: str) -> set[str]:
    """First cells that look like a field: none of them may be about a field that is gone."""
    return {row[0] for row in _table_rows(_text(page)) if re.match(f"`{start}", row[0])}
