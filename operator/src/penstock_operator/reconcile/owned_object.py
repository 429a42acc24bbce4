"""Metadata of the objects that belong to a ModelRoute: names, labels, owner reference and digest; pure."""

import hashlib
from typing import Any, Final

import msgspec
from msgspec import Struct

from penstock_operator.kube.resources import MODEL_ROUTES, ROUTE_LABEL

Manifest = dict[str, Any]

APPLIED: Final = "penstock.dev/applied"
"""Annotation with the digest of the applied manifest; separates a changed manifest or a removed field from an edit."""

INSTALLATION: Final = "penstock.dev/installation"
"""Annotation of a route's Deployment with the installation that serves the route: see `installation_conflict`."""


class Owner(Struct, frozen=True):
    """The ModelRoute that owns the objects; they are garbage-collected with it."""

    namespace: str
    name: str
    uid: str

    @property
    def object_name(self) -> str:
        """The name of each object of the route."""
        return f"{self.name}-worker"


def labels(owner: Owner) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "penstock-worker",
        "app.kubernetes.io/instance": owner.name,
        "app.kubernetes.io/managed-by": "penstock-operator",
        ROUTE_LABEL: owner.name,
    }


def owned(owner: Owner, api_version: str, kind: str, body: Manifest) -> Manifest:
    """An object with the metadata of the owner."""
    reference = {
        "apiVersion": MODEL_ROUTES.api_version,
        "kind": MODEL_ROUTES.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        "name": owner.object_name,
        "namespace": owner.namespace,
        "labels": labels(owner),
        "ownerReferences": [reference],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def stamped(manifest: Manifest) -> Manifest:
    """The same object with the annotation of its digest."""
    digest = hashlib.sha256(msgspec.json.encode(manifest, order="deterministic")).hexdigest()[:16]
    annotations = manifest["metadata"].get("annotations", {}) | {APPLIED: digest}
    return manifest | {"metadata": manifest["metadata"] | {"annotations": annotations}}


def other_installation(deployment: Manifest | None, installation: str) -> str:
    """The installation that has the route of a live Deployment, if it is another one; empty if it is free or ours."""
    marks = (deployment or {}).get("metadata", {}).get("annotations") or {}
    mark = str(marks.get(INSTALLATION, ""))
    return mark if mark and installation and mark != installation else ""
