"""Parts of a route's worker pods that the operator adds: variables, volumes, a container; pure."""

from typing import Final

from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.values import SecretKeyRef, secret_variable

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
"""Set by the operator; neither its settings nor a route may set them."""
CONTAINER: Final = "worker"
"""Name of the worker's container."""
OWN_VOLUMES: Final = frozenset({"tmp", "nats", "keys"})
"""Names of the operator's volumes in a worker's pod."""


def secret_refs(spec: ModelRouteSpec) -> dict[str, SecretKeyRef]:
    """The secrets that the workers need, by variable; sorted, so that the order of providers changes no pod."""
    refs = [ref for provider in spec.providers for ref in provider.secret_refs]
    return {secret_variable(ref): ref for ref in sorted(refs, key=lambda ref: (secret_variable(ref), ref.name))}


def clashes(spec: ModelRouteSpec) -> list[str]:
    """Describes each variable, volume and container that would be there twice; CEL rules cannot detect that."""
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
    problems += [
        f"worker: env must not set {env.name}, which the operator sets"
        for env in spec.worker.env
        if env.name in OWN_VARIABLES or env.name in variables
    ]
    problems += [
        f"worker: volumes must not be named {volume.name}, which is the operator's"
        for volume in spec.worker.volumes
        if volume.name in OWN_VOLUMES
    ]
    names = [CONTAINER, *(one.name for one in (*spec.worker.init_containers, *spec.worker.extra_containers))]
    return problems + [
        f"worker: two containers are named {name}" for name in sorted({name for name in names if names.count(name) > 1})
    ]
