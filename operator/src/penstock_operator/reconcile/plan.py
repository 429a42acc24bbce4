"""From a route and what exists to what should: the objects, the catalogue's entry, and the reasons; pure.

A shell carries a plan out: objects first, the entry after them. So a version that the API server refuses never gets
into the catalogue, and what is there is the last good one.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.kube.cache import Snapshot
from penstock_operator.reconcile import drift, manifests
from penstock_operator.reconcile.manifests import Manifest, Owner, WorkerDefaults
from penstock_operator.routes.model_ownership import ModelOwnership, ModelGrant
from penstock_operator.routes.parser import Route
from penstock_operator.status.client_reason import REFUSALS, cause
from penstock_operator.status.conditions import Acceptance, AcceptedReason
from penstock_operator.status.pod_summary import Survey, survey

MANAGER: Final = "penstock"
"""Field manager of everything that is applied but the number of workers."""
CONFLICTS_LISTED: Final = 5


class Plan(Struct, frozen=True, kw_only=True):
    """What to do about a route, and what was found.

    `serves` is the version to serve: the spec, else the last good one, else None, which also wants no workers.
    `apply` are the objects that are not as wanted, in order; empty when all is well. `delete` are (kind, name).
    `repairs` say what somebody else changed or deleted, for an Event. `blocked` says what keeps an object from being
    applied. `entry` is what the catalogue should hold, None for nothing. `credentials` is a Secret that the Deployment
    needs; whether it is there cannot be seen.
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
        """Whether the Deployment is not as wanted."""
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
    """`published` is the catalogue's present entry. `desired` is the autoscaler's last word, None before its first.

    `ownership` are settled with this reading of the route. `draining` are names of the pods that were told to drain.
    """
    found = survey(exists.pods, exists.deployment, draining)
    grant = ownership.grants.get(route.key, ModelGrant(None))
    acceptance = _acceptance(route, grant)
    if route.deleting:
        # Its objects go by their owner references, and the workers finish their streams. Nothing is put back.
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
    """What this version of the route needs, served or not: to ask whether the API server would take it."""
    if route.spec is None:
        return ()
    owner = Owner(route.namespace, route.name, route.uid)
    _, defaults = _with_credentials(owner, defaults)
    wanted = _wanted(owner, route.spec, defaults, exists, 0)
    return tuple(manifest for manifest, live in wanted if not _block(manifest, live, owner))


def _with_credentials(owner: Owner, defaults: WorkerDefaults) -> tuple[Manifest | None, WorkerDefaults]:
    """The Secret of this route's workers, and the defaults that name it: not made twice, as it costs a signature."""
    if (secret := manifests.credentials(owner, defaults)) is None:
        return None, defaults
    return secret, replace(defaults, nats_secret=secret["metadata"]["name"])


def last_good(route: Route, published: CatalogueEntry | None) -> ModelRouteSpec | None:
    """The version that was served until now; not that of an earlier route of the same name."""
    if published is None or not published.ready or published.created_at != route.created_at:
        return None
    return published.spec


def _acceptance(route: Route, grant: ModelGrant) -> Acceptance:
    if route.problem:
        return Acceptance("InvalidSpec", route.problem)
    if grant.conflicts:
        told = [f"the model {one.model} belongs to the route {one.owner}" for one in grant.conflicts]
        more = [f"{len(told) - CONFLICTS_LISTED} more are taken"] if len(told) > CONFLICTS_LISTED else []
        return Acceptance("ModelNameConflict", "; ".join([*told[:CONFLICTS_LISTED], *more]))
    return Acceptance("Accepted", "this version is served")


def _unserved_entry(route: Route, ownership: ModelOwnership, reason: AcceptedReason) -> CatalogueEntry | None:
    """So that clients are told why, under the names that nobody else serves."""
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
    """Each object that should be, with the live one."""
    yield manifests.service_account(owner, spec), exists.service_account
    deployment, live = manifests.deployment(owner, spec, defaults), exists.deployment
    if live is None:
        deployment = manifests.with_replicas(deployment, first_replicas)
    elif (kept := drift.replicas_to_keep(live, MANAGER)) is not None:
        deployment = manifests.with_replicas(deployment, kept, resource_version=live["metadata"]["resourceVersion"])
    yield deployment, live
    if manifests.wants_disruption_budget(spec):
        yield manifests.disruption_budget(owner), exists.disruption_budget


def _first_replicas(spec: ModelRouteSpec, desired: int | None) -> int:
    """A Deployment without the field would begin with 1."""
    if desired is not None:
        return desired
    return spec.scaling.replicas if spec.scaling.mode == "Manual" else spec.scaling.min_replicas


def _controller(live: Manifest) -> str | None:
    owners = live["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def _block(manifest: Manifest, live: Manifest | None, owner: Owner) -> str:
    """An object of another owner is not ours to change; one that is going is made anew when it is gone."""
    words = f"{manifest['kind']} {owner.object_name}"
    if live is None:
        return ""
    if "deletionTimestamp" in live["metadata"]:
        return f"{words} is being deleted"
    return "" if _controller(live) in {owner.uid, None} else f"{words} belongs to somebody else"


def _superfluous(owner: Owner, spec: ModelRouteSpec, exists: Snapshot) -> tuple[tuple[str, str], ...]:
    live = exists.disruption_budget
    if live is None or manifests.wants_disruption_budget(spec) or _controller(live) != owner.uid:
        return ()
    return () if "deletionTimestamp" in live["metadata"] else (("PodDisruptionBudget", owner.object_name),)


def _repair(manifest: Manifest, live: Manifest | None, before: ModelRouteSpec | None) -> str:
    """What somebody did to an object that was as wanted, in words; empty if nobody did anything."""
    words = f"{manifest['kind']} {manifest['metadata']['name']}"
    if live is not None:
        edits = drift.edits(manifest, live)
        return f"{words}: put back {', '.join(edits)}" if edits else ""
    if before is None or (manifest["kind"] == "PodDisruptionBudget" and not manifests.wants_disruption_budget(before)):
        return ""
    return f"{words}: made again after it was deleted"
