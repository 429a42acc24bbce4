"""Routes, pods and Deployments as the API server returns them, for the operator's pure parts."""

from typing import Any

import msgspec

from penstock_contract.route.spec import ModelRouteSpec

UID = "11111111-1111-1111-1111-111111111111"
CREATED = "2026-01-01T00:00:00Z"
CREATED_AT = 1_767_225_600

Body = dict[str, Any]


def provider(name: str = "main", **fields: Any) -> Body:
    return {"name": name, "type": "OpenAI", **fields}


def secret(name: str, key: str = "key") -> Body:
    return {"secretKeyRef": {"name": name, "key": key}}


def spec_document(*names: str, **fields: Any) -> Body:
    models = [{"name": name} for name in names or ("gpt",)]
    return {"models": models, "providers": [provider()], **fields}


def spec(*names: str, **fields: Any) -> ModelRouteSpec:
    return msgspec.convert(spec_document(*names, **fields), ModelRouteSpec)


def route_body(document: Any = None, *, name: str = "main", **metadata: Any) -> Body:
    return {
        "metadata": {
            "namespace": "team",
            "name": name,
            "uid": UID,
            "generation": 1,
            "creationTimestamp": CREATED,
            **metadata,
        },
        "spec": spec_document() if document is None else document,
    }


def pod(
    name: str = "main-worker-a",
    *,
    state: Body | None = None,
    ready: bool = False,
    env: list[Body] | None = None,
    phase: str = "Pending",
    **container: Any,
) -> Body:
    """A pod of one container, scheduled; `container` are further fields of its container's status."""
    return {
        "metadata": {"name": name, "namespace": "team", "creationTimestamp": CREATED},
        "spec": {"containers": [{"name": "worker", "env": env or []}]},
        "status": {
            "phase": phase,
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": str(ready), "lastTransitionTime": CREATED},
            ],
            "containerStatuses": [{"name": "worker", "ready": ready, "state": state or {}, **container}],
        },
    }


def ready_pod(name: str = "main-worker-a", env: list[Body] | None = None) -> Body:
    return pod(name, ready=True, phase="Running", env=env, state={"running": {"startedAt": "2026-01-01T00:00:05Z"}})


def waiting(reason: str, message: str = "") -> Body:
    return {"waiting": {"reason": reason, "message": message}}


def deployment(replicas: int = 1, *conditions: Body, **status: Any) -> Body:
    """A Deployment that its controller has observed, with all pods of the newest template."""
    there = {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "conditions": list(conditions)}
    return {
        "metadata": {"name": "main-worker", "namespace": "team", "generation": 1, "resourceVersion": "7"},
        "spec": {"replicas": replicas},
        "status": there | status,
    }
