"""Contract and client library need only the packages that `pip install ./contract ./client` installs."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
CONTRACT = {"msgspec", "penstock_contract"}
VALIDATION = {"cel", "yaml"}
"""Modules of the extras `rules` and `crd`."""
CLIENT = {*CONTRACT, "httpx", "penstock_client"}


def imported(package: str, without: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Module and top-level name of each import that is not of the standard library."""
    source = ROOT / package / "src"
    for path in sorted(source.rglob("*.py")):
        if path.relative_to(source).parts[1] in without:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                if (top := name.partition(".")[0]) not in sys.stdlib_module_names:
                    yield path.relative_to(source).as_posix(), top


def test_imports_of_the_contract_are_msgspec_only_outside_its_validation() -> None:
    others = {(module, name) for module, name in imported("contract") if name not in CONTRACT}
    assert {name for _, name in others} <= VALIDATION
    assert {module for module, _ in others} == {
        "penstock_contract/crd/__main__.py",
        "penstock_contract/route/validation.py",
    }


def test_imports_of_the_client_are_httpx_and_the_contract_only() -> None:
    assert {name for _, name in imported("client", without=("cli",))} == CLIENT
