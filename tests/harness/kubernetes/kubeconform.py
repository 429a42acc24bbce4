"""The real kubeconform, strict: an object with a field that its kind does not have is as wrong as one without a kind.

Schemas of Kubernetes' own kinds come from the wheel kubernetes-validate, those of others are made from definitions.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
from harness.kubernetes import binaries

KUBERNETES = "1.36.0"
SHIPPED = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{KUBERNETES}-local-strict"
DIALECT = "http://json-schema.org/draft-04/schema#"
"""OpenAPI 3.0 writes exclusive bounds as draft 4 does."""


class Kubeconform:
    """`directory` takes the schemas, of Kubernetes' own kinds and of those that the definitions define."""

    def __init__(self, directory: Path, definitions: Iterable[Mapping[str, Any]]) -> None:
        self._location = f"{directory}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
        for path in SHIPPED.iterdir():
            (directory / path.name).write_text(_local(path.read_text("utf-8")), "utf-8")
        for definition in definitions:
            spec = definition["spec"]
            for version in spec["versions"]:
                name = f"{spec['names']['kind']}-{spec['group'].partition('.')[0]}-{version['name']}.json".lower()
                schema = {"$schema": DIALECT, **_closed(version["schema"]["openAPIV3Schema"])}
                (directory / name).write_text(json.dumps(schema), "utf-8")

    async def __call__(self, objects: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Kind and name of each, and what is wrong with it: nothing, if it is empty."""
        process = await asyncio.create_subprocess_exec(
            str(binaries.binary("kubeconform")),
            *("-strict", "-output=json", "-verbose", f"-kubernetes-version={KUBERNETES}"),
            *(f"-schema-location={self._location}", "-"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        # JSON is YAML on which all parsers agree; PyYAML writes the text "y" without quotes, and Go's reads it as true.
        logged, _ = await process.communicate("\n---\n".join(map(json.dumps, objects)).encode())
        return {f"{one['kind']}/{one['name']}": one["msg"] for one in json.loads(logged)["resources"]}


def _local(text: str) -> str:
    """Without the address that a schema gives itself: its references would lead there, and not to the file beside."""
    schema = json.loads(text)
    schema.pop("$id", None)
    return json.dumps(schema).replace('"/api/_definitions.json#', '"_definitions.json#')


def _closed(schema: Any) -> Any:
    """As strict as the API server with strict field validation: an undeclared field is an error."""
    if isinstance(schema, list):
        return [_closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    # What is in a choice names some of the object's fields only.
    made = {
        key: inner if key in {"allOf", "anyOf", "oneOf", "not"} else _closed(inner) for key, inner in schema.items()
    }
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made
