"""A route's plan from the objects and entries that exist."""

import copy
from typing import Any

from unit.support.routes import CREATED_AT, ready_pod, route_body, spec

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.kube.resources import FIELD_MANAGER
from penstock_operator.kube.watch.cache import Snapshot
from penstock_operator.reconcile.owned_object import Manifest
from penstock_operator.reconcile.plan import Plan, plan
from penstock_operator.reconcile.pod_template import WorkerDefaults
from penstock_operator.routes.model_ownership import Claimant, assign, last_good
from penstock_operator.routes.parser import Route, read

DEFAULTS = WorkerDefaults(image="penstock:1", nats_url="nats://broker")
NOTHING = Snapshot(None, None, None, None, [])


def route(document: Any = None, **metadata: Any) -> Route:
    return read(route_body(document, **metadata))


def published(served: ModelRouteSpec | None = None, **fields: Any) -> CatalogueEntry:
    given = {"namespace": "team", "name": "main", "created_at": CREATED_AT, "spec": served or spec()}
    return CatalogueEntry(**(given | fields))


def planned(
    of: Route | None = None,
    exists: Snapshot = NOTHING,
    *others: Claimant,
    before: CatalogueEntry | None = None,
    **arguments: Any,
) -> Plan:
    of = of or route()
    claimant = Claimant(
        namespace=of.namespace,
        name=of.name,
        created_at=of.created_at,
        wanted=None if of.problem else of.spec,
        last_good=last_good(of, before),
    )
    return plan(of, exists, assign([claimant, *others]), before, DEFAULTS, **arguments)


def exists(of: Route | None = None, *, pods: list[dict[str, Any]] | None = None, owned: bool = True) -> Snapshot:
    """The objects of the API server after an apply; with `owned` the scaler owns the number of workers."""
    made = {manifest["kind"]: copy.deepcopy(manifest) for manifest in planned(of).apply}
    for manifest in made.values():
        manifest["metadata"]["resourceVersion"] = "7"
    live = made["Deployment"]
    owner = ("penstock-scaler", "Update") if owned else (FIELD_MANAGER, "Apply")
    fields = {"manager": owner[0], "operation": owner[1], "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    live["metadata"]["managedFields"] = [fields]
    live["metadata"]["generation"] = 1
    live["status"] = {"observedGeneration": 1}
    live["spec"]["replicas"] = 1
    return Snapshot(
        None, live, made.get("PodDisruptionBudget"), made["ServiceAccount"], [ready_pod()] if pods is None else pods
    )


def kinds(made: Plan) -> list[str]:
    return [manifest["kind"] for manifest in made.apply]


def deployment_of(made: Plan) -> Manifest:
    return next(manifest for manifest in made.apply if manifest["kind"] == "Deployment")
