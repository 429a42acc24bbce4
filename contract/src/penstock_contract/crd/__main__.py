"""Prints the CustomResourceDefinition as YAML: `make crd` keeps charts/penstock/files/crd.yaml by it."""

import sys
from typing import Any, Final

import yaml

from penstock_contract.crd.resource import definition
from penstock_contract.route.validation import LOCAL_ADDRESS

HEAD: Final = "# Made by `make crd` from the Structs and rules of contract/src/penstock_contract; do not edit.\n"
CUT: Final = "# >>> the chart leaves this rule out with crds.allowLocalAddresses"
END: Final = "# <<<"


def text() -> str:
    """The file. Comments mark the one rule that the chart can leave out, by everything from CUT to END."""
    dumped = yaml.safe_dump(_marked(definition()), sort_keys=False, allow_unicode=True, width=120)
    return HEAD + dumped.replace(f"- '{CUT}'", CUT).replace(f"- '{END}'", END)


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [marked for item in value for marked in _around(_marked(item))]
    return value


def _around(item: Any) -> list[Any]:
    is_marked = isinstance(item, dict) and item.get("message") == LOCAL_ADDRESS.message
    return [CUT, item, END] if is_marked else [item]


if __name__ == "__main__":
    sys.stdout.write(text())
