"""values.yaml, its schema, its table and the templates are consistent; the check needs no Helm."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "penstock"


def _reference() -> Any:
    """Imports charts/reference.py, a script outside any package."""
    spec = spec_from_file_location("chart_reference", ROOT / "charts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


reference = _reference()
VALUES = reference.read((CHART / "values.yaml").read_text("utf-8"))
SCHEMA = reference.schema(VALUES)
PATHS = [path for path, _ in reference._leaves(VALUES, "")]
TEMPLATES = "\n".join(path.read_text("utf-8") for path in (CHART / "templates").rglob("*.*"))


def test_chart_schema_equals_the_one_of_the_values() -> None:
    assert yaml.safe_load((CHART / "values.schema.json").read_text("utf-8")) == SCHEMA, "make chart"


def test_chart_table_equals_the_one_of_the_values() -> None:
    assert reference.table(VALUES) in (CHART / "README.md").read_text("utf-8"), "make chart"


def test_chart_defaults_are_valid_by_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")), SCHEMA)


@pytest.mark.parametrize("path", [path for path in PATHS if path != "enabled"])
def test_chart_templates_use_every_value(path: str) -> None:
    # A template names a value that it reaches through `with` or a helper's parameter by its last part.
    group, _, last = path.rpartition(".")
    spelled = [
        rf"\.Values\.{re.escape(path)}\b",
        rf"\$values\.{last}\b",
        rf'dig (".+" )?"{last}"',
        rf"\$image\.{last}\b",
    ]
    if re.search(rf"\.Values\.{re.escape(group)}\b(?!\.)", TEMPLATES):
        spelled.append(rf"(?<![\w)])\.{last}\b")
    assert re.search("|".join(spelled), TEMPLATES)


def test_chart_templates_use_no_undeclared_value() -> None:
    declared = {path.split(".")[0] for path in PATHS}
    for used in re.findall(r"\.Values\.([A-Za-z.]+)", TEMPLATES):
        tops = [path for path in PATHS if path == used or path.startswith(f"{used}.") or used.startswith(f"{path}.")]
        assert tops, used
        assert used.split(".")[0] in declared


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: {}", "a: add a line `schema:`"),
        ("# one | two\na: 1", "a: a bar"),
        ("b:\n  a: []", "b.a: add a line `schema:`"),
        ("b:\n  a: 1", "b.a: add a comment"),
    ],
)
def test_chart_value_without_description_or_content_type_is_an_error(text: str, complaint: str) -> None:
    with pytest.raises(reference.UndescribedError, match=re.escape(complaint)):
        reference.read(text)


def test_chart_value_comment_becomes_the_description_and_its_schema_line_the_keywords() -> None:
    (value,) = reference.read("# How many.\n# schema: {minimum: 1}\nreplicas: 2")
    assert reference.schema([value])["properties"]["replicas"] == {
        "description": "How many.",
        "type": "integer",
        "minimum": 1,
    }
    assert reference.table([value]).splitlines()[-1] == "| `replicas` | `2` | How many. |"


def test_chart_mappings_reject_unknown_keys_unless_their_keys_are_free() -> None:
    def closed(schema: dict[str, Any], path: str) -> None:
        if schema.get("type") == "object" and "properties" in schema and path != ".global":
            assert schema["additionalProperties"] is False, path
            for name, inner in schema["properties"].items():
                closed(inner, f"{path}.{name}")

    closed(SCHEMA, "")


def test_chart_version_is_the_one_that_it_installs() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = (ROOT / "operator" / "pyproject.toml").read_text("utf-8")
    assert f'version = "{chart["appVersion"]}"' in project


def test_chart_alerts_equal_the_page_of_operations() -> None:
    rules = (CHART / "files" / "alerts.yaml").read_text("utf-8")
    page = (ROOT / "docs" / "operations" / "cluster.md").read_text("utf-8")
    assert re.findall(r"alert: (\w+)", rules) == re.findall(r"^\| `(Penstock\w+)` \|", page, re.MULTILINE)
