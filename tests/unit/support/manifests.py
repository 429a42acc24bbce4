"""A Deployment of a route, and its parts."""

from typing import Any

from unit.support.routes import UID, spec

from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.reconcile import manifests
from penstock_operator.reconcile.owned_object import Manifest, Owner
from penstock_operator.reconcile.pod_template import WorkerDefaults

OWNER = Owner("team", "main", UID)
DEFAULTS = WorkerDefaults(image="penstock:1", nats_url="nats://broker:4222")


def deployment(route: ModelRouteSpec | None = None, defaults: WorkerDefaults = DEFAULTS) -> Manifest:
    return manifests.deployment(OWNER, route or spec(), defaults)


def pod_spec(**worker: Any) -> Manifest:
    made: Manifest = deployment(spec(worker=worker))["spec"]["template"]["spec"]
    return made


def container(**worker: Any) -> Manifest:
    (made,) = pod_spec(**worker)["containers"]
    return dict(made)


def env(route: ModelRouteSpec, defaults: WorkerDefaults = DEFAULTS) -> dict[str, Any]:
    (made,) = deployment(route, defaults)["spec"]["template"]["spec"]["containers"]
    names = [one["name"] for one in made["env"]]
    assert len(names) == len(set(names))
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in made["env"]}
