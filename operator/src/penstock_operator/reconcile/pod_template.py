"""The pod template of a route's workers: a pure function of spec and settings.

Contains only what a running pod cannot receive. Models, addresses, weights and limits reach the workers by the
catalogue: their change restarts nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from penstock_contract.route.pod.containers import ResourcesSpec
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.nats.keys import WORKER, SigningKey
from penstock_operator.reconcile.owned_object import Manifest, Owner, labels
from penstock_operator.routes.worker_variables import CONTAINER, secret_refs

CREDENTIALS: Final = "/etc/penstock/nats"
"""Mount path of a worker's NATS credentials. A file, as other processes of the node may read variables."""
KEYS: Final = "/etc/penstock/keys"
"""Mount path of the providers' keys. Also in variables, but only files change in a running container."""
PROBE_PORT: Final = 8081
GRACE_MARGIN_S: Final = 5
"""Time of a pod beyond its route's grace period: for the signal, the last messages, and the exit."""
DAY_S: Final = 86_400
"""Maximum of a worker's own grace period, and of a request's duration."""

UNPRIVILEGED: Final[Mapping[str, Any]] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""Security context of every container, as the `restricted` Pod Security level requires."""

_POD_FIELDS: Final = (
    "imagePullSecrets",
    "nodeSelector",
    "tolerations",
    "affinity",
    "topologySpreadConstraints",
    "priorityClassName",
    "runtimeClassName",
)
"""Fields of `spec.worker` that are copied into the pod's spec."""


class WorkerDefaults(Struct, frozen=True, kw_only=True):
    """The operator's settings for the workers of every route.

    A route's own `worker.env`, pull policy and pull secrets take precedence over `environment` and the others.
    `resources` apply only to a route without any: requests and limits of different origin may contradict each other.
    `installation` is the mark of `installation_conflict`, empty for none. `nats_url` is the broker's address for pods.
    `allowed_addresses` apply to every worker and cannot be extended by a route; empty: none. `nats_secret` is the
    Secret with NATS credentials, empty for none; with `signing_key` each route gets its own, see
    `manifests.credentials`. `run_as_user` and `run_as_group` None: as the cluster or the image defines.
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
    installation: str = ""
    command: tuple[str, ...] = ("penstock", "worker")
    environment: Mapping[str, str] = {}
    resources: ResourcesSpec = ResourcesSpec()


def pod_template(owner: Owner, spec: ModelRouteSpec, defaults: WorkerDefaults) -> Manifest:
    worker = msgspec.to_builtins(spec.worker)
    secret = defaults.nats_secret
    if defaults.image_pull_secrets:
        worker.setdefault("imagePullSecrets", [{"name": name} for name in defaults.image_pull_secrets])
    template: Manifest = {
        "metadata": {"labels": spec.worker.pod_labels | labels(owner)},
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
            "containers": [_container(owner, spec, defaults), *map(_unprivileged, worker.get("extraContainers", ()))],
            "volumes": [
                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
                *([{"name": "nats", "secret": {"secretName": secret}}] if secret else []),
                *([{"name": "keys", "projected": keys}] if (keys := _keys(spec)) else []),
                *worker.get("volumes", ()),
            ],
            **{name: worker[name] for name in _POD_FIELDS if name in worker},
        },
    }
    if init_containers := worker.get("initContainers"):
        template["spec"]["initContainers"] = [_unprivileged(one) for one in init_containers]
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
        # Frequent: a draining worker must be unready before the ReplicaSet selects the pods to remove.
        "readinessProbe": _probe("/readyz", periodSeconds=1, timeoutSeconds=2, failureThreshold=2),
        "securityContext": {**UNPRIVILEGED, "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            *([{"name": "nats", "mountPath": CREDENTIALS, "readOnly": True}] if defaults.nats_secret else []),
            *([{"name": "keys", "mountPath": KEYS, "readOnly": True}] if secret_refs(spec) else []),
            *msgspec.to_builtins(spec.worker.volume_mounts),
        ],
    }
    if spec.worker.env_from:
        container["envFrom"] = msgspec.to_builtins(spec.worker.env_from)
    # The operator's policy applies to the operator's image only: a route's own image may have a mutable tag.
    if policy := spec.worker.image_pull_policy or (None if spec.worker.image else defaults.image_pull_policy):
        container["imagePullPolicy"] = policy
    if resources:
        container["resources"] = resources
    return container


def _environment(owner: Owner, spec: ModelRouteSpec, defaults: WorkerDefaults) -> list[Manifest]:
    """Contains each name once: server-side apply rejects duplicate list keys."""
    entries: dict[str, Manifest] = {name: {"value": value} for name, value in defaults.environment.items()}
    for env in spec.worker.env:
        source = env.value_from
        entries[env.name] = {"value": env.value or ""} if source is None else {"valueFrom": msgspec.to_builtins(source)}
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
    if defaults.allowed_addresses or spec.worker.env_from:
        # Empty too: a key of this name in an object of `envFrom` must not extend them.
        own["PENSTOCK_ALLOWED_ADDRESSES"] = defaults.allowed_addresses
    entries |= {name: {"value": value} for name, value in own.items()}
    entries["PENSTOCK_WORKER_NAME"] = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return [{"name": name, **entry} for name, entry in entries.items()]


def _unprivileged(container: Manifest) -> Manifest:
    """A route's own container: its image may need a file system that can be written to."""
    return container | {"securityContext": dict(UNPRIVILEGED)}


def _keys(spec: ModelRouteSpec) -> Manifest | None:
    """The volume with every key as `<secret>/<key>`.

    Optional: a variable from the same Secret already prevents a start without it, with the reason in the pod's status,
    whereas a missing volume would leave the pod waiting. Readable by any user, as the cluster may assign one.
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
