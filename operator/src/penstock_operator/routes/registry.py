"""The parsed routes and the assignment of model names. Pure: a change is stored, the routes that it concerns returned.

Parsing a spec takes a millisecond, and assigning names reads all routes. The first happens only when a spec changed,
the second also when the catalogue has another last good version of a route whose present version is not served.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.kube.resources import Body, Key
from penstock_operator.routes import parser
from penstock_operator.routes.model_ownership import Claimant, ClaimRule, ModelOwnership, assign, last_good
from penstock_operator.routes.parser import Route

Published = Callable[[str], CatalogueEntry | None]
"""Returns the catalogue's entry by its key."""


class RouteRegistry:
    def __init__(self, published: Published, rules: Sequence[ClaimRule] = ()) -> None:
        self._published = published
        self._rules = rules
        self._routes: dict[Key, Route] = {}
        self._refused: dict[Key, Route] = {}
        self._stale = False
        self._ownership = ModelOwnership()
        self._fallen_back: dict[Key, ModelRouteSpec | None] = {}
        """The last good version, at that time, of each route whose present version is not served."""

    def update(self, key: Key, body: Body | None) -> Route | None:
        """Stores a route's present JSON, None if it was deleted; returns the parsed route."""
        known = self._routes.get(key)
        if known is not None and (body is None or not _same(known, body["metadata"])):
            self._refused.pop(key, None)
        if body is None:
            if known is not None:
                del self._routes[key]
                self._stale = True
            return None
        if known is not None and _same(known, body["metadata"]):
            return known
        route = self._routes[key] = parser.read(body)
        self._stale = True
        return route

    def refuse(self, route: Route, message: str) -> None:
        """The API server rejects an object of this version of a route: it cannot be served, until `reconsider`.

        `route` is a result of `update` or `refused`. Does nothing if the route has changed since.
        """
        key = (route.namespace, route.name)
        if route.problem or route is not (self._refused.get(key) or self._routes.get(key)):
            return
        refused = parser.refuse(route, message)
        if refused != self._routes[key]:
            self._refused[key], self._routes[key] = route, refused
            self._stale = True

    def refused(self, key: Key) -> Route | None:
        """The route as parsed, if the API server rejects one of its objects."""
        return self._refused.get(key)

    def reconsider(self, key: Key) -> None:
        """The API server would accept it now: a policy of the cluster may have changed, and not the route."""
        if (route := self._refused.pop(key, None)) is not None:
            self._routes[key] = route
            self._stale = True

    def assign_models(self) -> set[Key]:
        """Assigns the names again if the result could change; returns the routes whose grant changed."""
        if not self._stale and not self._has_other_last_good():
            return set()
        self._stale = False
        before = self._ownership
        claimants = {key: self._claimant(route) for key, route in self._routes.items() if not route.deleting}
        self._ownership = assign(claimants.values(), self._rules)
        self._fallen_back = {
            key: claimant.last_good
            for key, claimant in claimants.items()
            if claimant.wanted is None or self._ownership.grants[claimant.key].serves is not claimant.wanted
        }
        changed = self._ownership.changed_since(before)
        return {key for key in self._routes if f"{key[0]}.{key[1]}" in changed}

    def served(self, key: Key) -> ModelRouteSpec | None:
        """The version of a route that is to be served, as of the last `assign_models`; None for none."""
        if key not in self._routes or self._routes[key].deleting:
            return None
        grant = self._ownership.grants.get(f"{key[0]}.{key[1]}")
        return None if grant is None else grant.serves

    @property
    def ownership(self) -> ModelOwnership:
        """As of the last `assign_models`."""
        return self._ownership

    @property
    def routes(self) -> Mapping[Key, Route]:
        return self._routes

    def _has_other_last_good(self) -> bool:
        """True if the catalogue has changed: it may have been read after the names were assigned."""
        return any(self._last_good(self._routes[key]) != before for key, before in self._fallen_back.items())

    def _last_good(self, route: Route) -> ModelRouteSpec | None:
        return last_good(route, self._published(route.key))

    def _claimant(self, route: Route) -> Claimant:
        return Claimant(
            namespace=route.namespace,
            name=route.name,
            created_at=route.created_at,
            wanted=None if route.problem else route.spec,
            last_good=self._last_good(route),
        )


def _same(route: Route, metadata: Mapping[str, Any]) -> bool:
    """Compares the fields that identify a version of the spec; a change of the status does not change them."""
    return (route.uid, route.generation, route.deleting) == (
        metadata["uid"],
        metadata.get("generation", 0),
        "deletionTimestamp" in metadata,
    )
