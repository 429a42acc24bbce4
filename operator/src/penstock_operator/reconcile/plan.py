"""Plans one route: the objects to apply, the catalogue's entry, and the reasons; pure.

The reconciler applies the objects before it publishes the entry. So a version that the API server rejects is never
published, and the catalogue keeps the last good one.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.kube.resources import FIELD_MANAGER
from penstock_operator.kube.watch.cache import Snapshot
from penstock_operator.reconcile import drift, manifests
from penstock_operator.reconcile.owned_object import Manifest, Owner
from penstock_operator.reconcile.pod_template import WorkerDefaults
from penstock_operator.routes.model_ownership import ModelGrant, ModelOwnership, last_good
from penstock_operator.routes.parser import Route
from penstock_operator.status.client_reason import REFUSALS, cause
from penstock_operator.status.conditions import Acceptance
from penstock_operator.status.pod_summary import Survey, survey
from penstock_operator.status.reasons import AcceptedReason

CONFLICTS_LISTED: Final = 5


class Plan(Struct, frozen=True, kw_only=True):
    """The writes for a route, and the observed state of its pods.

    `serves` is the version to serve: the spec, else the last good one, else None, which also means no workers.
    `apply` are the objects that differ from their manifests, in order. `delete` are (kind, name). `repairs` describe
    edits and deletions by other clients, for an Event. `blocked` is the reason why an object cannot be applied. `entry`
    is the catalogue's entry, None for none. `credentials` is a Secret that the Deployment needs; the operator cannot
    read whether it exists.
    """

    acceptance: Acceptance
    serves: ModelRouteSpec | None
    survey: Survey
    apply: tuple[Manifest, ...] = ()
    delete: tuple[tuple[str, str], ...] = ()
    repairs: tuple[str, ...] = ()
    blocked: str = ""
    entry: CatalogueEntry | None = None
    credentials: Manifest | None = None

    @property
    def applying(self) -> bool:
        """True if the Deployment differs from its manifest."""
        return any(manifest["kind"] == "Deployment" for manifest in self.apply)


def plan(
    route: Route,
    exists: Snapshot,
    ownership: ModelOwnership,
    published: CatalogueEntry | None,
    defaults: WorkerDefaults,
    *,
    desired: int | None = None,
    draining: AbstractSet[str] = frozenset(),
) -> Plan:
    """`published` is the catalogue's present entry. `desired` is the autoscaler's last number, None before its first.

    `ownership` was assigned with this version of the route. `draining` are names of the draining pods.
    """
    found = survey(exists.pods, exists.deployment, draining)
    grant = ownership.grants.get(route.key, ModelGrant(None))
    acceptance = _acceptance(route, grant)
    if route.deleting:
        # Its objects are garbage-collected, and the workers finish their streams. Nothing is restored.
        return Plan(acceptance=acceptance, serves=None, survey=found)
    if (serves := grant.serves) is None:
        return Plan(
            acceptance=acceptance, serves=None, survey=found, entry=_unserved_entry(route, ownership, acceptance.reason)
        )
    owner = Owner(route.namespace, route.name, route.uid)
    secret, defaults = _with_credentials(owner, defaults)
    before = last_good(route, published)
    wanted = list(_wanted(owner, serves, defaults, exists, _first_replicas(serves, desired)))
    blocks = [_block(manifest, live, owner) for manifest, live in wanted]
    free = [pair for pair, block in zip(wanted, blocks, strict=True) if not block]
    return Plan(
        acceptance=acceptance,
        serves=serves,
        survey=found,
        apply=tuple(manifest for manifest, live in free if live is None or drift.differences(manifest, live)),
        delete=_superfluous(owner, serves, exists),
        repairs=tuple(words for manifest, live in free if (words := _repair(manifest, live, before))),
        blocked="; ".join(filter(None, blocks)),
        credentials=secret,
        entry=CatalogueEntry(
            namespace=route.namespace,
            name=route.name,
            created_at=route.created_at,
            spec=serves,
            cause=cause(serves, found),
        ),
    )


def needed(route: Route, exists: Snapshot, defaults: WorkerDefaults) -> tuple[Manifest, ...]:
    """The objects of this version of the route, for a dry run: whether the API server would accept them."""
    if route.spec is None:
        return ()
    owner = Owner(route.namespace, route.name, route.uid)
    _, defaults = _with_credentials(owner, defaults)
    wanted = _wanted(owner, route.spec, defaults, exists, 0)
    return tuple(manifest for manifest, live in wanted if not _block(manifest, live, owner))


def _with_credentials(owner: Owner, defaults: WorkerDefaults) -> tuple[Manifest | None, WorkerDefaults]:
    """The Secret of this route's workers, and the defaults that name it: made once, as it costs a signature."""
    if (secret := manifests.credentials(owner, defaults)) is None:
        return None, defaults
    return secret, replace(defaults, nats_secret=secret["metadata"]["name"])


def _acceptance(route: Route, grant: ModelGrant) -> Acceptance:
    if route.problem:
        return Acceptance("InvalidSpec", route.problem)
    if grant.forbidden:
        listed, unlisted = grant.forbidden[:CONFLICTS_LISTED], len(grant.forbidden) - CONFLICTS_LISTED
        others = f" and {unlisted} more" if unlisted > 0 else ""
        words = f"routes of the namespace {route.namespace} may not claim the model {', '.join(listed)}{others}"
        return Acceptance("ModelNameNotPermitted", words)
    if grant.conflicts:
        conflicts = [f"the model {one.model} belongs to the route {one.owner}" for one in grant.conflicts]
        more = len(conflicts) - CONFLICTS_LISTED
        rest = [f"{more} more names belong to other routes"] if more > 0 else []
        return Acceptance("ModelNameConflict", "; ".join([*conflicts[:CONFLICTS_LISTED], *rest]))
    return Acceptance("Accepted", "this version is served")


def _unserved_entry(route: Route, ownership: ModelOwnership, reason: AcceptedReason) -> CatalogueEntry | None:
    """An entry with the reason for clients, under the names that no other route serves."""
    if reason == "ModelNameNotPermitted":
        # Its clients get `model_not_found`: a forbidden name must not appear in the catalogue in any form.
        return None
    if route.spec is None or (spec := ownership.unowned(f"{route.namespace}/{route.name}", route.spec)) is None:
        return None
    return CatalogueEntry(
        namespace=route.namespace,
        name=route.name,
        created_at=route.created_at,
        spec=spec,
        ready=False,
        reason=REFUSALS.get(reason, ""),
    )


def _wanted(
    owner: Owner, spec: ModelRouteSpec, defaults: WorkerDefaults, exists: Snapshot, first_replicas: int
) -> Iterator[tuple[Manifest, Manifest | None]]:
    """Each wanted object, with the live one."""
    yield manifests.service_account(owner, spec), exists.service_account
    deployment, live = manifests.deployment(owner, spec, defaults), exists.deployment
    if live is None:
        deployment = manifests.with_replicas(deployment, first_replicas)
    elif (kept := drift.replicas_to_keep(live, FIELD_MANAGER)) is not None:
        deployment = manifests.with_replicas(deployment, kept, resource_version=live["metadata"]["resourceVersion"])
    yield deployment, live
    if manifests.needs_disruption_budget(spec):
        yield manifests.disruption_budget(owner), exists.disruption_budget


def _first_replicas(spec: ModelRouteSpec, desired: int | None) -> int:
    """The number of a new Deployment; without the field it would start with 1."""
    if desired is not None:
        return desired
    return spec.scaling.replicas if spec.scaling.mode == "Manual" else spec.scaling.min_replicas


def _controller(live: Manifest) -> str | None:
    owners = live["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _block(manifest: Manifest, live: Manifest | None, owner: Owner) -> str:
    """The reason why an object cannot be applied: it has another owner, or is being deleted and created again later."""
    words = f"{manifest['kind']} {owner.object_name}"
    if live is None:
        return ""
    if "deletionTimestamp" in live["metadata"]:
        return f"{words} is being deleted"
    return "" if _controller(live) in {owner.uid, None} else f"{words} belongs to another owner"


def _superfluous(owner: Owner, spec: ModelRouteSpec, exists: Snapshot) -> tuple[tuple[str, str], ...]:
    live = exists.disruption_budget
    if live is None or manifests.needs_disruption_budget(spec) or _controller(live) != owner.uid:
        return ()
    return () if "deletionTimestamp" in live["metadata"] else (("PodDisruptionBudget", owner.object_name),)


def _repair(manifest: Manifest, live: Manifest | None, before: ModelRouteSpec | None) -> str:
    """Describes another client's edit or deletion of an applied object; empty for none."""
    words = f"{manifest['kind']} {manifest['metadata']['name']}"
    if live is not None:
        edits = drift.edits(manifest, live)
        return f"{words}: reverted {', '.join(edits)}" if edits else ""
    if before is None or (manifest["kind"] == "PodDisruptionBudget" and not manifests.needs_disruption_budget(before)):
        return ""
    return f"{words}: created again after it was deleted"
