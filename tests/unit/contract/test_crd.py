"""The CustomResourceDefinition equals the one of Structs and rules, as a structural schema of Kubernetes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from msgspec import Meta, Struct, json

from penstock_contract.crd.__main__ import CUT, END, text
from penstock_contract.crd.resource import definition
from penstock_contract.crd.schema import structural
from penstock_contract.route.json_form import with_defaults
from penstock_contract.route.limits import LimitsSpec, RoutingSpec
from penstock_contract.route.scaling import ScalingSpec
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.validation import LOCAL_ADDRESS, NAME, RULES
from penstock_contract.route.worker import WorkerSpec

FILE = Path(__file__).parents[3] / "charts" / "penstock" / "files" / "crd.yaml"
# The chart's template does this for crds.allowLocalAddresses, with a pattern that Go and Python read alike.
CUT_OUT = rf"(?s) *{re.escape(CUT)}.*?{re.escape(END)}\n"

Node = dict[str, Any]


def schema() -> Node:
    (version,) = definition()["spec"]["versions"]
    whole: Node = version["schema"]["openAPIV3Schema"]
    return whole


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yields every place of the schema with its path."""
    yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from nodes(node[key], f"{path}[]")


PLACES = dict(nodes(schema()))
FIELDS = {path: node for path, node in PLACES.items() if path and path != ".metadata" and not path.endswith("]")}


def test_crd_file_of_the_chart_equals_the_one_of_the_structs() -> None:
    assert FILE.read_text("utf-8") == text(), "make crd writes it anew"


def test_crd_file_holds_the_definition() -> None:
    assert yaml.safe_load(text()) == definition()


def test_crd_without_the_local_address_rule_keeps_all_other_rules() -> None:
    cut = yaml.safe_load(re.sub(CUT_OUT, "", text()))

    rules = cut["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["providers"][
        "items"
    ]["x-kubernetes-validations"]
    assert LOCAL_ADDRESS.message not in {rule["message"] for rule in rules}
    rules.append({"rule": LOCAL_ADDRESS.cel, "message": LOCAL_ADDRESS.message})
    assert cut == definition()


def test_crd_has_every_rule_once_at_the_place_of_its_self() -> None:
    carried = {
        path: [(rule["rule"], rule["message"]) for rule in node["x-kubernetes-validations"]]
        for path, node in PLACES.items()
        if "x-kubernetes-validations" in node
    }
    assert carried == {
        "": [(NAME.cel, NAME.message)],
        ".spec": [(rule.cel, rule.message) for rule in RULES if rule.scope == "spec"],
        ".spec.providers[]": [(rule.cel, rule.message) for rule in (*RULES, LOCAL_ADDRESS) if rule.scope == "provider"],
    }


@pytest.mark.parametrize("path", FIELDS)
def test_crd_describes_every_field_in_a_sentence(path: str) -> None:
    assert re.search(r"^(?!\s)[^\n]*[^\s.]\.?$", FIELDS[path]["description"])


@pytest.mark.parametrize("path", PLACES)
def test_crd_gives_every_place_one_type(path: str) -> None:
    node = PLACES[path]
    assert ("type" in node) != ("x-kubernetes-int-or-string" in node)
    assert not node.keys() & {"$ref", "anyOf", "oneOf", "title"}


@pytest.mark.parametrize("path", [path for path, node in PLACES.items() if node.get("type") == "array"])
def test_crd_lists_are_bounded_and_merged_by_their_key(path: str) -> None:
    node = PLACES[path]
    assert node["maxItems"] >= 1
    properties = node["items"].get("properties", {})
    keys = [key for key in ("mountPath", "name", "type") if key in properties][:1]
    assert node.get("x-kubernetes-list-map-keys", []) == keys


@pytest.mark.parametrize(
    ("part", "kind"),
    [("routing", RoutingSpec), ("limits", LimitsSpec), ("scaling", ScalingSpec), ("worker", WorkerSpec)],
)
def test_crd_writes_an_objects_default_in_full(part: str, kind: type[Struct]) -> None:
    assert PLACES[f".spec.{part}"]["default"] == with_defaults(kind())


def test_crd_requires_the_required_fields_of_the_struct() -> None:
    (_, components) = json.schema_components([ModelRouteSpec])
    assert PLACES[".spec"]["required"] == components["ModelRouteSpec"]["required"]
    assert "required" not in PLACES[".spec.scaling"]


def test_crd_writes_an_exclusive_bound_in_the_form_of_kubernetes() -> None:
    class Above(Struct):
        pace: Annotated[float, Meta(gt=0, le=9)] = 1.0

    assert structural(Above)["properties"]["pace"] == {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 9,
        "default": 1,
    }


def test_crd_rejects_a_union_that_no_structural_schema_can_express() -> None:
    class Choice(Struct):
        value: int | list[str]

    with pytest.raises(NotImplementedError, match="a choice of types"):
        structural(Choice)
