"""The TypeScript client's types equal the contract, and the generator keeps what a type needs."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, inspect

ROOT = Path(__file__).parents[3]


def _generate() -> Any:
    """client-ts/generate.py, which is a script of no package."""
    spec = spec_from_file_location("typescript_types", ROOT / "client-ts" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generate = _generate()


class Inner(Struct, tag="inner"):
    count: int = 0


class Other(Struct, tag="other"):
    text: Annotated[str, Meta(max_length=3)]


class Outer(Struct):
    """One line."""

    items: list[Inner | Other]
    kind: Literal["a", "b's"] = "a"
    size: float | None = None
    extra: dict[str, Any] | UnsetType = UNSET
    pair: tuple[int, str] = (0, "")


class Lean(Struct, omit_defaults=True):
    text: str = ""


@pytest.mark.parametrize(("file", "text"), [("contract.ts", generate.contract), ("endpoints.ts", generate.table)])
def test_types_equal_the_contract(file: str, text: Any) -> None:
    assert text() == (ROOT / "client-ts" / "src" / file).read_text("utf-8"), "make types"


def interface(kind: type[Struct], mode: str) -> str:
    struct = inspect.type_info(kind)
    found: str = generate._interface(struct, kind.__name__, mode, {Inner})
    return found


def test_types_of_an_answer_have_every_field_that_the_server_always_sends() -> None:
    assert interface(Outer, "answer") == (
        "/** One line. */\n"
        "export interface Outer {\n"
        "  items: (Inner | Other)[]\n"
        "  kind: 'a' | 'b\\'s'\n"
        "  size: number | null\n"
        "  extra?: Record<string, unknown>\n"
        "  pair: [number, string]\n"
        "}\n"
    )
    assert "  text?: string\n" in interface(Lean, "answer")


def test_types_of_a_request_leave_defaults_optional_and_take_constant_lists() -> None:
    assert interface(Outer, "request") == (
        "/** One line. */\n"
        "export interface Outer {\n"
        "  items: readonly (InnerParam | Other)[]\n"
        "  kind?: 'a' | 'b\\'s'\n"
        "  size?: number | null\n"
        "  extra?: Record<string, unknown>\n"
        "  pair?: readonly [number, string]\n"
        "}\n"
    )


def test_types_of_a_tagged_struct_have_its_tag() -> None:
    assert "  type: 'inner'\n  count: number\n" in interface(Inner, "answer")
    assert "  type: 'inner'\n  count?: number\n" in interface(Inner, "request")


def test_types_of_a_struct_that_is_no_json_object_are_refused() -> None:
    class Row(Struct, array_like=True):
        number: int

    with pytest.raises(generate.UnsupportedTypeError, match="Row"):
        interface(Row, "answer")


def test_types_name_the_parameters_of_a_path() -> None:
    endpoint = generate.Endpoint("DELETE", "/v1/things/{id:str}", type(None), Lean)
    entry = generate._entry("DELETE_THING", endpoint, set())
    assert "  deleteThing: answer<void, T.Lean, { id: string }>({\n" in entry
    assert "path: '/v1/things/{id}'" in entry


def test_types_of_an_answer_with_alternatives_have_a_name() -> None:
    endpoint = generate.StreamEndpoint("POST", "/api/things", Lean, Inner | Other)
    assert "  thingsOfAll: stream<T.Lean, T.ThingsOfAllChunk>({\n" in generate._entry("THINGS_OF_ALL", endpoint, set())


def test_types_have_every_error_code_and_struct_of_an_answer() -> None:
    text = generate.contract()
    for name in ("ChatCompletionChunk", "ErrorBody", "ToolCallParam"):
        assert f"export interface {name} {{" in text
    assert f"  worker_lost: {{ status: 502, retryable: {msgspec.json.encode(True).decode()} }},\n" in text
