"""Assigns each model name to one route, across all namespaces, as one gateway serves them all; pure.

The oldest route gets its names first. A route with a name of another route is not accepted: its last good version keeps
serving, without the names that an older route has got since. Rules of the installation define which namespace may claim
which names: without one, the author of any route could take a name before its team does.
"""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from penstock_contract.catalogue import WILDCARD, CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.routes.parser import Route


class ClaimRule(Struct, frozen=True, forbid_unknown_fields=True):
    """Names that routes of some namespaces may claim: patterns with `*` and `?`.

    `wildcard`: the model `*`, which gets every name that no other route claims.
    """

    namespaces: tuple[str, ...]
    models: tuple[str, ...] = ()
    wildcard: bool = False

    def permits(self, name: str) -> bool:
        return self.wildcard if name == WILDCARD else any(fnmatch.fnmatchcase(name, one) for one in self.models)


def forbidden(rules: Iterable[ClaimRule], namespace: str, claimed: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that a route of the namespace may not claim, by the first rule that covers the namespace.

    A namespace that no rule covers may claim every name.
    """
    for rule in rules:
        if any(fnmatch.fnmatchcase(namespace, pattern) for pattern in rule.namespaces):
            return tuple(name for name in claimed if not rule.permits(name))
    return ()


class Claimant(Struct, frozen=True, kw_only=True):
    """A route with its names: `wanted` is its spec, None if it cannot be served; `last_good` was served before.

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
    """A name of another route: `owner` is that route's namespace/name."""

    model: str
    owner: str


class ModelGrant(Struct, frozen=True):
    """The version that a route may serve, None for none, and the conflicts and rules that reject its spec."""

    serves: ModelRouteSpec | None
    conflicts: tuple[Conflict, ...] = ()
    forbidden: tuple[str, ...] = ()
    """Names that the route's namespace may not claim."""


class ModelOwnership(Struct, frozen=True):
    """`owners` maps model names to namespace/name, `grants` is keyed by the catalogue's key."""

    owners: Mapping[str, str] = {}
    grants: Mapping[str, ModelGrant] = {}

    def changed_since(self, before: "ModelOwnership") -> set[str]:
        """Keys of the routes, present before or now, whose grant changed."""
        keys = self.grants.keys() | before.grants.keys()
        return {key for key in keys if self.grants.get(key) != before.grants.get(key)}

    def unowned(self, route: str, spec: ModelRouteSpec) -> ModelRouteSpec | None:
        """`spec` of `route` (namespace/name) without the names of other routes; None if none is left."""
        return without(spec, {name for name in names(spec) if self.owners.get(name, route) != route})


def assign(claimants: Iterable[Claimant], rules: Sequence[ClaimRule] = ()) -> ModelOwnership:
    """Assigns the names of all routes; the order of `claimants` does not matter, that of `rules` does."""
    owners: dict[str, str] = {}
    grants: dict[str, ModelGrant] = {}
    for claimant in sorted(claimants, key=lambda one: (one.created_at, one.namespace, one.name)):
        grant = _grant(claimant, owners, rules)
        grants[claimant.key] = grant
        for name in names(grant.serves) if grant.serves is not None else ():
            owners[name] = f"{claimant.namespace}/{claimant.name}"
    return ModelOwnership(owners, grants)


def last_good(route: Route, published: CatalogueEntry | None) -> ModelRouteSpec | None:
    """The version that was served until now; not that of an earlier route of the same name."""
    if published is None or not published.ready or published.created_at != route.created_at:
        return None
    return published.spec


def names(spec: ModelRouteSpec) -> list[str]:
    """The route's model names and aliases, including `*`."""
    return [name for model in spec.models for name in (model.name, *model.aliases)]


def without(spec: ModelRouteSpec, lost: set[str]) -> ModelRouteSpec | None:
    """`spec` without the names in `lost`; a model without its name loses its aliases. None if no model is left."""
    models = [
        msgspec.structs.replace(model, aliases=[alias for alias in model.aliases if alias not in lost])
        for model in spec.models
        if model.name not in lost
    ]
    return msgspec.structs.replace(spec, models=models) if models else None


def _grant(claimant: Claimant, owners: Mapping[str, str], rules: Sequence[ClaimRule]) -> ModelGrant:
    conflicts: tuple[Conflict, ...] = ()
    refused: tuple[str, ...] = ()
    if claimant.wanted is not None:
        wanted = names(claimant.wanted)
        refused = forbidden(rules, claimant.namespace, wanted)
        conflicts = tuple(Conflict(name, owners[name]) for name in wanted if name in owners and name not in refused)
        if not conflicts and not refused:
            return ModelGrant(claimant.wanted)
    serves = claimant.last_good
    if serves is not None:
        served = names(serves)
        lost = {name for name in served if name in owners} | {*forbidden(rules, claimant.namespace, served)}
        serves = without(serves, lost)
    return ModelGrant(serves, conflicts, refused)
