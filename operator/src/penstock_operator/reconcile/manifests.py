"""The objects of a route as the operator applies them: plain dicts, a pure function of spec and settings.

The number of workers is not among them: it is set by `/scale`.
"""

import hashlib

from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.kube.resources import ROUTE_LABEL
from penstock_operator.nats.keys import WORKER
from penstock_operator.reconcile.owned_object import INSTALLATION, Manifest, Owner, owned, stamped
from penstock_operator.reconcile.pod_template import WorkerDefaults, pod_template


def service_account(owner: Owner, spec: ModelRouteSpec) -> Manifest:
    """Without a token: a worker never calls the API server. The annotations assign a cloud identity."""
    manifest = owned(owner, "v1", "ServiceAccount", {"automountServiceAccountToken": False})
    if annotations := spec.worker.service_account.annotations:
        manifest["metadata"]["annotations"] = annotations
    return stamped(manifest)


def disruption_budget(owner: Owner) -> Manifest:
    """Allows one eviction at a time, which finishes its streams meanwhile; a pod that is not ready never blocks."""
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {ROUTE_LABEL: owner.name}},
    }
    return stamped(owned(owner, "policy/v1", "PodDisruptionBudget", {"spec": spec}))


def credentials(owner: Owner, defaults: WorkerDefaults) -> Manifest | None:
    """The Secret with the NATS credentials of the route's workers, None without a signing key.

    Its name belongs into `defaults.nats_secret`. The operator can create Secrets, and neither read nor change them. So
    the name contains a digest of the contents: other credentials are another Secret, and equal ones need no comparison.
    """
    if defaults.signing_key is None:
        return None
    text = defaults.signing_key.of_workers(owner.namespace, owner.name, owner.uid)
    secret = owned(owner, "v1", "Secret", {"type": "Opaque", "immutable": True, "stringData": {WORKER: text}})
    secret["metadata"]["name"] += f"-nats-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    return secret


def needs_disruption_budget(spec: ModelRouteSpec) -> bool:
    """False for at most one worker, where it would guarantee nothing."""
    return (spec.scaling.replicas if spec.scaling.mode == "Manual" else spec.scaling.max_replicas) > 1


def deployment(owner: Owner, spec: ModelRouteSpec, defaults: WorkerDefaults) -> Manifest:
    """Without `spec.replicas`, which the scaler owns; see `with_replicas`."""
    body = {
        # Two old ReplicaSets are enough to roll back by hand; ten per route are many at a thousand routes.
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": {ROUTE_LABEL: owner.name}},
        # New workers start before old ones end, and those finish their streams first.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        "template": pod_template(owner, spec, defaults),
    }
    manifest = owned(owner, "apps/v1", "Deployment", {"spec": body})
    if defaults.installation:
        manifest["metadata"]["annotations"] = {INSTALLATION: defaults.installation}
    return stamped(manifest)


def with_replicas(manifest: Manifest, replicas: int, *, resource_version: str | None = None) -> Manifest:
    """The same Deployment with its number of workers; its digest does not change.

    With a `resource_version` it is applied to that version only: the number may have changed since it was read.
    """
    versioned = {} if resource_version is None else {"resourceVersion": resource_version}
    return manifest | {
        "metadata": manifest["metadata"] | versioned,
        "spec": manifest["spec"] | {"replicas": replicas},
    }
