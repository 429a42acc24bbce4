"""The definition itself: names, subresources, what `kubectl get` prints, and the rules where they belong."""

from collections.abc import Iterable
from typing import Any, Final

from penstock_contract.crd.schema import Schema, structural
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.status import ModelRouteStatus
from penstock_contract.route.validation import LOCAL_ADDRESS, NAME, RULES, Rule

GROUP: Final = "penstock.dev"
VERSION: Final = "v1alpha1"
PLURAL: Final = "modelroutes"


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition, as `kubectl apply` takes it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "ModelRoute",
                "listKind": "ModelRouteList",
                "plural": PLURAL,
                "singular": "modelroute",
                "shortNames": ["mr"],
                "categories": ["penstock"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _schema()},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.scaling.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "additionalPrinterColumns": COLUMNS,
                }
            ],
        },
    }


def _schema() -> Schema:
    spec = structural(ModelRouteSpec)
    spec["description"] = "Models, providers, workers and limits of the route."
    spec["x-kubernetes-validations"] = _validations(rule for rule in RULES if rule.scope == "spec")
    spec["properties"]["providers"]["items"]["x-kubernetes-validations"] = _validations(
        rule for rule in (*RULES, LOCAL_ADDRESS) if rule.scope == "provider"
    )
    status = structural(ModelRouteStatus)
    status["description"] = "Observed state and last decisions; written by the operator alone."
    return {
        "type": "object",
        "description": "A route from model names to providers, with its workers and limits.",
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}"},
            "kind": {"type": "string", "description": "ModelRoute"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
        "required": ["spec"],
        "x-kubernetes-validations": _validations([NAME]),
    }


def _validations(rules: Iterable[Rule]) -> list[dict[str, str]]:
    return [{"rule": rule.cel, "message": rule.message} for rule in rules]


def _column(name: str, path: str, description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "description": description, **more}


def _ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


COLUMNS: Final = [
    # Of a list a column can only show the first.
    _column("Model", ".spec.models[0].name", "The first model of the route."),
    _column("Ready", _ready("status"), "Status of the condition `Ready`."),
    _column("Reason", _ready("reason"), "Reason of `Ready`; see docs/reference/conditions.md."),
    _column("Desired", ".status.desiredReplicas", "Desired number of workers.", "integer"),
    _column("Workers", ".status.readyReplicas", "Workers that take requests.", "integer"),
    _column("Max", ".spec.scaling.maxReplicas", "The most workers with mode Auto.", "integer"),
    _column("Age", ".metadata.creationTimestamp", "Age of the route.", "date"),
    _column("Mode", ".spec.scaling.mode", "`Auto` or `Manual` scaling.", priority=1),
    _column("Draining", ".status.drainingReplicas", "Workers that finish their streams.", "integer", priority=1),
    _column("Message", _ready("message"), "Explanation of the reason.", priority=1),
]
