"""Values that tests render the chart with, and queries on the rendered objects."""

from collections.abc import Iterator, Mapping
from typing import Any

EVERYTHING: Mapping[str, Any] = {
    "commonLabels": {"team": "ai"},
    "imagePullSecrets": [{"name": "registry"}],
    "env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}],
    "gateway": {
        "auth": {"existingSecret": "access"},
        "playground": True,
        "defaultChatModel": "smollm2",
        "defaultEmbeddingModel": "minilm",
        "autoscaling": {"enabled": True, "targetStreams": 200},
        "service": {"annotations": {"a": "b"}},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["llm.example"]},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "hosts": ["llm.example"],
            "tls": [{"hosts": ["llm.example"]}],
        },
        "podLabels": {"x": "y"},
        "podAnnotations": {"x": "y"},
        "nodeSelector": {"pool": "a"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
    },
    "operator": {"namespaces": ["ai", "team-a"], "podAnnotations": {"x": "y"}},
    "nats": {"replicas": 3, "jetstream": {"storage": "file"}, "persistence": {"storageClassName": "fast"}},
    "workers": {"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_RESOURCE_ATTRIBUTES": "a=b,c=d"}},
    "models": {"enabled": True},
    "networkPolicy": {
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "extraEgress": [{"ports": [{"port": 4318, "protocol": "TCP"}]}],
    },
    "monitoring": {
        "monitors": {"enabled": True, "labels": {"p": "q"}},
        "rules": {"enabled": True},
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "AI"}},
    },
}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "everything": EVERYTHING,
    "external-nats": {"nats": {"enabled": False, "external": {"url": "tls://nats.example:4443"}}},
    "shared-nats-user": {
        "nats": {
            "enabled": False,
            "external": {"url": "nats://nats.example:4222"},
            "auth": {"existingSecret": "of-mine", "workerSecret": "of-all-workers", "rotation": "2027"},
        }
    },
    "selected-namespaces": {
        "operator": {
            "watchNamespaces": "Selected",
            "namespaceSelector": {
                "matchLabels": {"serve": "yes"},
                "matchExpressions": [
                    {"key": "stage", "operator": "NotIn", "values": ["test", "old"]},
                    {"key": "team", "operator": "Exists"},
                    {"key": "paused", "operator": "DoesNotExist"},
                    {"key": "zone", "operator": "In", "values": ["a", "b"]},
                ],
            },
        },
        "monitoring": {"monitors": {"enabled": True}},
    },
    "smallest": {
        "gateway": {"replicas": 1, "auth": {"required": False}},
        "operator": {"replicas": 1, "rbac": {"scope": "Cluster"}},
        "nats": {"persistence": {"enabled": False}},
        "networkPolicy": {"enabled": False},
        "crds": {"enabled": False},
        "test": {"enabled": False},
        "listenAddress": "::",
    },
}
WORKER: Mapping[str, Any] = {
    "metadata": {
        "labels": {"app.kubernetes.io/name": "penstock-worker", "app.kubernetes.io/managed-by": "penstock-operator"}
    }
}
"""A pod of the operator's making, as far as policies look at it."""


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Component and pod, with metadata and spec, of everything that makes pods."""
    for one in objects:
        if one["kind"] == "Pod":
            yield "test", one
        elif one["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield one["metadata"]["labels"]["app.kubernetes.io/component"], one["spec"]["template"]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == kind]


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in of_kind(objects, kind) if one["metadata"]["name"] == name]
    return found


def selects(selector: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    labels = pod["metadata"]["labels"]
    fits = selector.get("matchLabels", {}).items() <= labels.items()
    return fits and all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))


def secret_keys(pod: Mapping[str, Any]) -> dict[str, str]:
    """Variable → Secret and key, as `secret/key`."""
    sources = {one["name"]: one.get("valueFrom", {}) for one in pod["spec"]["containers"][0].get("env", [])}
    references = {name: one["secretKeyRef"] for name, one in sources.items() if "secretKeyRef" in one}
    return {name: f"{one['name']}/{one['key']}" for name, one in references.items()}


def variables(pod: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0]["env"]}
