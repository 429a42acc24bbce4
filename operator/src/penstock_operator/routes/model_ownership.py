"""Who owns each model name among all routes of all namespaces: one gateway serves them all. Pure.

The oldest route goes first and takes its names. One that wants a name which is taken is not accepted as it is: its
last good version keeps serving, without the names that an older route has taken since.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from penstock_contract.route.spec import ModelRouteSpec


class Claimant(Struct, frozen=True, kw_only=True):
    """A route that asks for its names: `wanted` is its spec, None if it cannot be served; `last_good` served before.

    `created_at` is in Unix seconds.
    """

    namespace: str
    name: str
    created_at: int
    wanted: ModelRouteSpec | None
    last_good: ModelRouteSpec | None = None

    @property
    def key(self) -> str:
        return f"{self.namespace}.{self.name}"


class Conflict(Struct, frozen=True):
    """A name that another route has: `owner` is its namespace/name."""

    model: str
    owner: str


class ModelGrant(Struct, frozen=True):
    """What a route may serve, None if nothing, and why that is not what it wants."""

    serves: ModelRouteSpec | None
    conflicts: tuple[Conflict, ...] = ()


class ModelOwnership(Struct, frozen=True):
    """`owners` is namespace/name by model name, `grants` by the catalogue's key."""

    owners: Mapping[str, str] = {}
    grants: Mapping[str, ModelGrant] = {}

    def changed_since(self, before: "ModelOwnership") -> set[str]:
        """Keys of the routes, there before or now, for which something changed."""
        keys = self.grants.keys() | before.grants.keys()
        return {key for key in keys if self.grants.get(key) != before.grants.get(key)}

    def unowned(self, route: str, spec: ModelRouteSpec) -> ModelRouteSpec | None:
        """`spec` of `route` (namespace/name) without the names that others own; None if none is left."""
        return without(spec, {name for name in names(spec) if self.owners.get(name, route) != route})


def assign(claimants: Iterable[Claimant]) -> ModelOwnership:
    owners: dict[str, str] = {}
    grants: dict[str, ModelGrant] = {}
    for claimant in sorted(claimants, key=lambda one: (one.created_at, one.namespace, one.name)):
        grant = _grant(claimant, owners)
        grants[claimant.key] = grant
        for name in names(grant.serves) if grant.serves is not None else ():
            owners[name] = f"{claimant.namespace}/{claimant.name}"
    return ModelOwnership(owners, grants)


def names(spec: ModelRouteSpec) -> list[str]:
    """What the route answers to, `*` among them."""
    return [name for model in spec.models for name in (model.name, *model.aliases)]


def without(spec: ModelRouteSpec, lost: set[str]) -> ModelRouteSpec | None:
    """`spec` less the names in `lost`; a model whose name is lost goes with its aliases. None if no model is left."""
    models = [
        msgspec.structs.replace(model, aliases=[alias for alias in model.aliases if alias not in lost])
        for model in spec.models
        if model.name not in lost
    ]
    return msgspec.structs.replace(spec, models=models) if models else None


def _grant(claimant: Claimant, owners: Mapping[str, str]) -> ModelGrant:
    conflicts: tuple[Conflict, ...] = ()
    if claimant.wanted is not None:
        conflicts = tuple(Conflict(name, owners[name]) for name in names(claimant.wanted) if name in owners)
        if not conflicts:
            return ModelGrant(claimant.wanted)
    serves = claimant.last_good
    if serves is not None:
        serves = without(serves, {name for name in names(serves) if name in owners})
    return ModelGrant(serves, conflicts)
