"""Public class names: each belongs to one package."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]


def packages_by_class() -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in ROOT.glob("*/src/penstock_*/**/*.py"):
        package = path.relative_to(ROOT).parts[2]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(package)
    return found


def test_class_names_belong_to_one_package() -> None:
    shared = {name: sorted(packages) for name, packages in packages_by_class().items() if len(packages) > 1}

    assert shared == {}


def test_class_names_are_found_in_all_packages() -> None:
    assert {package for packages in packages_by_class().values() for package in packages} >= {
        "penstock_contract",
        "penstock_runtime",
        "penstock_broker",
        "penstock_gateway",
        "penstock_worker",
        "penstock_operator",
        "penstock_client",
        "penstock_local",
    }
