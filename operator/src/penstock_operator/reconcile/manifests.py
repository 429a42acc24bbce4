"""The objects of a route as the operator wants them: plain dicts, a pure function of spec and settings.

The pod's template holds only what a pod cannot be told while it runs. Models, addresses, weights and limits reach the
workers by the catalogue, and the number of workers by `/scale`: a change of those restarts nothing.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from penstock_contract.route.secret_ref import SecretKeyRef, secret_variable
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.worker import ResourcesSpec
from penstock_operator.nats.keys import WORKER, SigningKey

Manifest = dict[str, Any]

ROUTE_LABEL: Final = "penstock.dev/route"
APPLIED: Final = "penstock.dev/applied"
"""Annotation with the digest of what was applied: tells a changed wish from somebody's edit, and a removed field."""

CONTAINER: Final = "worker"
CREDENTIALS: Final = "/etc/penstock/nats"
"""Where a worker finds its credentials for the broker. A file: a variable is seen by whoever sees the process."""
KEYS: Final = "/etc/penstock/keys"
"""Where a worker finds the providers' keys. In variables, too, but only files change in a running container."""
PROBE_PORT: Final = 8081
GRACE_MARGIN_S: Final = 5
"""What a pod has beyond its route's grace period: to be told to end, to say what it gave up on, and to end."""
DAY_S: Final = 86_400
"""The most that a worker takes for its own grace, and that a request may take."""

OWN_VARIABLES: Final = frozenset(
    f"PENSTOCK_{name}"
    for name in (
        "NAMESPACE",
        "ROUTE",
        "WORKER_NAME",
        "NATS_URL",
        "NATS_CREDENTIALS",
        "PROBE_PORT",
        "SHUTDOWN_GRACE_S",
        "ALLOWED_ADDRESSES",
        "KEYS_DIR",
    )
)
_AS_IN_A_POD: Final = (
    "imagePullSecrets",
    "nodeSelector",
    "tolerations",
    "affinity",
    "topologySpreadConstraints",
    "priorityClassName",
)


class WorkerDefaults(Struct, frozen=True, kw_only=True):
    """What the operator's own settings say about every route's workers.

    `environment` is for all of them (OTEL_*); a route's own `worker.env` wins, as its pull policy and secrets do.
    `resources` are those of a route that names none at all: half of somebody else's would not fit the other half.
    `nats_url` is as a pod reaches it. `allowed_addresses` are a worker's, and no route's to widen; empty: none.
    `nats_secret` is the Secret with their credentials for the broker, empty for none; with `signing_key` each route's
    workers have one of their own, see `credentials`. `run_as_user` and `run_as_group` are those of every worker; None:
    as the cluster or the image has it.
    """

    image: str
    nats_url: str
    allowed_addresses: str = ""
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    signing_key: SigningKey | None = None
    nats_secret: str = ""
    run_as_user: int | None = None
    run_as_group: int | None = None
    command: tuple[str, ...] = ("penstock", "worker")
    environment: Mapping[str, str] = {}
    resources: ResourcesSpec = ResourcesSpec()


class Owner(Struct, frozen=True):
    """The ModelRoute that the objects belong to, and go away with."""

    namespace: str
    name: str
    uid: str

    @property
    def object_name(self) -> str:
        """Of each of its objects."""
        return f"{self.name}-worker"


def service_account(owner: Owner, spec: ModelRouteSpec) -> Manifest:
    """Without a token: a worker never calls the API server. The annotations are a cloud's, for an identity there."""
    manifest = _object(owner, "v1", "ServiceAccount", {"automountServiceAccountToken": False})
    if annotations := spec.worker.service_account.annotations:
        manifest["metadata"]["annotations"] = annotations
    return _stamped(manifest)


def disruption_budget(owner: Owner) -> Manifest:
    """One at a time leaves by eviction, and finishes its streams meanwhile; a pod that is not ready never blocks."""
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {ROUTE_LABEL: owner.name}},
    }
    return _stamped(_object(owner, "policy/v1", "PodDisruptionBudget", {"spec": spec}))


def credentials(owner: Owner, defaults: WorkerDefaults) -> Manifest | None:
    """The Secret with which the route's workers log in to the broker, None where it is somebody else's or nobody's.

    Its name is for `defaults.nats_secret`. The operator can make Secrets, and neither read nor change one. So the name
    is made of the contents: other credentials are another Secret, and the same ones need not be compared.
    """
    if defaults.signing_key is None:
        return None
    text = defaults.signing_key.of_workers(owner.namespace, owner.name, owner.uid)
    secret = _object(owner, "v1", "Secret", {"type": "Opaque", "immutable": True, "stringData": {WORKER: text}})
    secret["metadata"]["name"] += f"-nats-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    return secret


def wants_disruption_budget(spec: ModelRouteSpec) -> bool:
    """With a single worker at most it would promise nothing."""
    return (spec.scaling.replicas if spec.scaling.mode == "Manual" else spec.scaling.max_replicas) > 1


def deployment(owner: Owner, spec: ModelRouteSpec, defaults: WorkerDefaults) -> Manifest:
    """Without `spec.replicas`, which belongs to whoever scales; see `with_replicas`."""
    body = {
        # Two old ReplicaSets are enough to roll back by hand; ten per route are many at a thousand routes.
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": {ROUTE_LABEL: owner.name}},
        # New workers come before old ones go, and those that go finish their streams first.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        "template": _template(owner, spec, defaults),
    }
    return _stamped(_object(owner, "apps/v1", "Deployment", {"spec": body}))


def with_replicas(manifest: Manifest, replicas: int, *, resource_version: str | None = None) -> Manifest:
    """The same Deployment with its number of workers; its digest is still that of the one without.

    With a `resource_version` it is applied to that version only: somebody may have scaled it since it was read.
    """
    versioned = {} if resource_version is None else {"resourceVersion": resource_version}
    return manifest | {
        "metadata": manifest["metadata"] | versioned,
        "spec": manifest["spec"] | {"replicas": replicas},
    }


def secret_refs(spec: ModelRouteSpec) -> dict[str, SecretKeyRef]:
    """The secrets that the workers need, by variable; sorted, so that the order of providers changes no pod."""
    refs = [ref for provider in spec.providers for ref in provider.secret_refs]
    return {secret_variable(ref): ref for ref in sorted(refs, key=lambda ref: (secret_variable(ref), ref.name))}


def clashes(spec: ModelRouteSpec) -> list[str]:
    """Variables that two things would set, in words: no CEL rule can see them."""
    problems = []
    variables: dict[str, SecretKeyRef] = {}
    for ref in (ref for provider in spec.providers for ref in provider.secret_refs):
        other = variables.setdefault(variable := secret_variable(ref), ref)
        if variable in OWN_VARIABLES:
            problems.append(
                f"providers: {ref.name}/{ref.key} would be the variable {variable}, which the operator sets"
            )
        elif other != ref:
            problems.append(
                f"providers: {other.name}/{other.key} and {ref.name}/{ref.key} would both be the variable {variable}"
            )
    return problems + [
        f"worker: env must not set {env.name}, which the operator sets"
        for env in spec.worker.env
        if env.name in OWN_VARIABLES or env.name in variables
    ]


def _template(owner: Owner, spec: ModelRouteSpec, defaults: WorkerDefaults) -> Manifest:
    worker = msgspec.to_builtins(spec.worker)
    secret = defaults.nats_secret
    if defaults.image_pull_secrets:
        worker.setdefault("imagePullSecrets", [{"name": name} for name in defaults.image_pull_secrets])
    template: Manifest = {
        "metadata": {"labels": spec.worker.pod_labels | _labels(owner)},
        "spec": {
            "serviceAccountName": owner.object_name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": spec.worker.termination_grace_period_seconds + GRACE_MARGIN_S,
            "securityContext": {
                "runAsNonRoot": True,
                **_user(defaults),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(owner, spec, defaults)],
            "volumes": [
                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
                *([{"name": "nats", "secret": {"secretName": secret}}] if secret else []),
                *([{"name": "keys", "projected": keys}] if (keys := _keys(spec)) else []),
            ],
            **{name: worker[name] for name in _AS_IN_A_POD if name in worker},
        },
    }
    if spec.worker.pod_annotations:
        template["metadata"]["annotations"] = spec.worker.pod_annotations
    return template


def _container(owner: Owner, spec: ModelRouteSpec, defaults: WorkerDefaults) -> Manifest:
    resources = msgspec.to_builtins(spec.worker.resources) or msgspec.to_builtins(defaults.resources)
    container: Manifest = {
        "name": CONTAINER,
        "image": spec.worker.image or defaults.image,
        "command": list(defaults.command),
        "env": _environment(owner, spec, defaults),
        "ports": [{"name": "probes", "containerPort": PROBE_PORT, "protocol": "TCP"}],
        "startupProbe": _probe("/livez", periodSeconds=1, timeoutSeconds=2, failureThreshold=60),
        "livenessProbe": _probe("/livez", periodSeconds=10, timeoutSeconds=5, failureThreshold=3),
        # Quick: a worker that drains must be seen not to be ready before the ReplicaSet chooses whom to end.
        "readinessProbe": _probe("/readyz", periodSeconds=1, timeoutSeconds=2, failureThreshold=2),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            *([{"name": "nats", "mountPath": CREDENTIALS, "readOnly": True}] if defaults.nats_secret else []),
            *([{"name": "keys", "mountPath": KEYS, "readOnly": True}] if secret_refs(spec) else []),
        ],
    }
    # The operator's policy is about the operator's image: a route's own may be a tag that moves.
    if policy := spec.worker.image_pull_policy or (None if spec.worker.image else defaults.image_pull_policy):
        container["imagePullPolicy"] = policy
    if resources:
        container["resources"] = resources
    return container


def _environment(owner: Owner, spec: ModelRouteSpec, defaults: WorkerDefaults) -> list[Manifest]:
    """Each name once: server-side apply refuses a list with two of one key."""
    plain = {**defaults.environment, **{env.name: env.value for env in spec.worker.env}}
    entries: dict[str, Manifest] = {name: {"value": value} for name, value in plain.items()}
    for variable, ref in secret_refs(spec).items():
        entries[variable] = {"valueFrom": {"secretKeyRef": {"name": ref.name, "key": ref.key}}}
    own = {
        "PENSTOCK_NAMESPACE": owner.namespace,
        "PENSTOCK_ROUTE": owner.name,
        "PENSTOCK_NATS_URL": defaults.nats_url,
        "PENSTOCK_PROBE_PORT": str(PROBE_PORT),
        "PENSTOCK_SHUTDOWN_GRACE_S": str(min(spec.worker.termination_grace_period_seconds, DAY_S)),
    }
    if defaults.nats_secret:
        own["PENSTOCK_NATS_CREDENTIALS"] = f"{CREDENTIALS}/{WORKER}"
    if secret_refs(spec):
        own["PENSTOCK_KEYS_DIR"] = KEYS
    if defaults.allowed_addresses:
        own["PENSTOCK_ALLOWED_ADDRESSES"] = defaults.allowed_addresses
    entries |= {name: {"value": value} for name, value in own.items()}
    entries["PENSTOCK_WORKER_NAME"] = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return [{"name": name, **entry} for name, entry in entries.items()]


def _keys(spec: ModelRouteSpec) -> Manifest | None:
    """The volume with every key as `<secret>/<key>`.

    Optional: a variable from the same Secret already keeps a worker from starting without it, and says so in the pod's
    status, where a volume would only leave the pod waiting. Readable by any user, as the pod's may be the cluster's.
    """
    refs = sorted(secret_refs(spec).values(), key=lambda ref: (ref.name, ref.key))
    sources = [
        {
            "secret": {
                "name": ref.name,
                "optional": True,
                "items": [{"key": ref.key, "path": f"{ref.name}/{ref.key}"}],
            }
        }
        for ref in refs
    ]
    return {"defaultMode": 0o444, "sources": sources} if sources else None


def _user(defaults: WorkerDefaults) -> dict[str, int]:
    ids = {"runAsUser": defaults.run_as_user, "runAsGroup": defaults.run_as_group}
    return {name: number for name, number in ids.items() if number is not None}


def _probe(path: str, **times: int) -> Manifest:
    return {"httpGet": {"path": path, "port": PROBE_PORT}, **times}


def _labels(owner: Owner) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "penstock-worker",
        "app.kubernetes.io/instance": owner.name,
        "app.kubernetes.io/managed-by": "penstock-operator",
        ROUTE_LABEL: owner.name,
    }


def _object(owner: Owner, api_version: str, kind: str, body: Manifest) -> Manifest:
    reference = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ModelRoute",
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        "name": owner.object_name,
        "namespace": owner.namespace,
        "labels": _labels(owner),
        "ownerReferences": [reference],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def _stamped(manifest: Manifest) -> Manifest:
    digest = hashlib.sha256(msgspec.json.encode(manifest, order="deterministic")).hexdigest()[:16]
    annotations = manifest["metadata"].get("annotations", {}) | {APPLIED: digest}
    return manifest | {"metadata": manifest["metadata"] | {"annotations": annotations}}
