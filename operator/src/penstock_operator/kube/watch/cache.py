"""The objects of the cluster, as last received: plain dicts by kind, namespace and name.

Updated by watches and by whole lists, in any order. An event older than the cached version is ignored. A list is newer
than everything that was cached when it was requested, whatever its versions: an object that was deleted while no watch
was open is removed, and the objects of a store restored from a backup replace the cached ones. The module depends on
neither kopf nor the API client.
"""

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from penstock_operator.kube import resources
from penstock_operator.kube.resources import ROUTE_LABEL, Body, Key, Resource


class Snapshot(Struct, frozen=True):
    """The objects of one route at one moment; read-only."""

    route: Body | None
    deployment: Body | None
    disruption_budget: Body | None
    service_account: Body | None
    pods: list[Body]


class Listing:
    """A list in progress: the objects cached when it was requested, and the events received since."""

    def __init__(self, resource: Resource, namespace: str, known: dict[Key, str]) -> None:
        self.resource = resource
        self.namespace = namespace
        self.known = known
        self.deleted: set[str] = set()
        self.received: set[Key] = set()


class ClusterCache:
    def __init__(self) -> None:
        self._objects: dict[Resource, dict[Key, Body]] = {
            resource: {} for resource in (*resources.WATCHED, resources.NAMESPACES)
        }
        self._pods: defaultdict[Key, dict[str, Body]] = defaultdict(dict)
        self._listings: list[Listing] = []

    def observe(self, resource: Resource, body: Body, *, deleted: bool) -> set[Key]:
        """Stores one event; returns the routes that it concerns."""
        key = _key(body)
        known = self._objects[resource].get(key)
        if deleted:
            for listing in self._listings:
                listing.deleted.add(_uid(body))
            if known is None or _uid(known) != _uid(body):
                return set()
            self._remove(resource, key)
            return self._routes_of(resource, known)
        if known is not None and _version(body) <= _version(known):
            return set()
        for listing in self._listings:
            if listing.resource == resource:
                listing.received.add(key)
        return self._store(resource, key, body)

    def begin_listing(self, resource: Resource, namespace: str) -> Listing:
        """Call before the list is requested, and `end_listing` with its result. Empty namespace: the whole cluster."""
        known = {key: _uid(body) for key, body in self._objects[resource].items() if namespace in {"", key[0]}}
        listing = Listing(resource, namespace, known)
        self._listings.append(listing)
        return listing

    def end_listing(self, listing: Listing, bodies: Iterable[Body] | None) -> set[Key]:
        """Stores a list, or None if it failed; returns the routes with a new, changed or removed object."""
        self._listings.remove(listing)
        if bodies is None:
            return set()
        touched: set[Key] = set()
        present = set()
        for body in bodies:
            present.add(_uid(body))
            if _uid(body) not in listing.deleted:
                touched |= self._store_listed(listing, body)
        for key, uid in listing.known.items():
            known = self._objects[listing.resource].get(key)
            if uid not in present and known is not None and _uid(known) == uid:
                self._remove(listing.resource, key)
                touched |= self._routes_of(listing.resource, known)
        return touched

    def snapshot(self, key: Key) -> Snapshot:
        namespace, route = key
        owned = (namespace, f"{route}-worker")
        return Snapshot(
            route=self._objects[resources.MODEL_ROUTES].get(key),
            deployment=self._objects[resources.DEPLOYMENTS].get(owned),
            disruption_budget=self._objects[resources.DISRUPTION_BUDGETS].get(owned),
            service_account=self._objects[resources.SERVICE_ACCOUNTS].get(owned),
            pods=list(self._pods[key].values()) if key in self._pods else [],
        )

    def routes(self) -> dict[Key, Body]:
        """Every route; read-only."""
        return self._objects[resources.MODEL_ROUTES]

    def has_namespace(self, name: str) -> bool:
        return ("", name) in self._objects[resources.NAMESPACES]

    def namespaces(self) -> set[str]:
        """The names of the cached Namespaces: those that the selector of the watch selects."""
        return {name for _, name in list(self._objects[resources.NAMESPACES])}

    def _store_listed(self, listing: Listing, body: Body) -> set[Key]:
        key = _key(body)
        known = self._objects[listing.resource].get(key)
        if known is not None:
            if _version(body) == _version(known):
                return set()
            if key in listing.received and _version(body) < _version(known):
                return set()
        return self._store(listing.resource, key, body)

    def _store(self, resource: Resource, key: Key, body: Body) -> set[Key]:
        known = self._objects[resource].get(key)
        self._insert(resource, key, body)
        return self._routes_of(resource, body) | (self._routes_of(resource, known) if known is not None else set())

    def _routes_of(self, resource: Resource, body: Body) -> set[Key]:
        """The routes that an object concerns: a Namespace concerns all of its routes."""
        if resource == resources.NAMESPACES:
            return {key for key in self.routes() if key[0] == body["metadata"]["name"]}
        return routes_of(resource, body)

    def _insert(self, resource: Resource, key: Key, body: Body) -> None:
        if key in self._objects[resource]:
            # The cached version may belong to another route.
            self._remove(resource, key)
        self._objects[resource][key] = body
        if resource == resources.PODS:
            for route in routes_of(resource, body):
                self._pods[route][key[1]] = body

    def _remove(self, resource: Resource, key: Key) -> None:
        body = self._objects[resource].pop(key)
        if resource == resources.PODS:
            for route in routes_of(resource, body):
                self._pods[route].pop(key[1], None)
                if not self._pods[route]:
                    del self._pods[route]


def routes_of(resource: Resource, body: Body) -> set[Key]:
    """The route that an object is or belongs to, by its label or its owner: the label may have been removed."""
    namespace, name = _key(body)
    if resource == resources.MODEL_ROUTES:
        return {(namespace, name)}
    metadata = body["metadata"]
    found = {owner["name"] for owner in metadata.get("ownerReferences", ()) if owner["kind"] == "ModelRoute"}
    if label := metadata.get("labels", {}).get(ROUTE_LABEL):
        found.add(label)
    return {(namespace, route) for route in found}


def _key(body: Body) -> Key:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _uid(body: Body) -> str:
    return str(body["metadata"]["uid"])


def _version(body: Body) -> int:
    """One counter for all objects of a kind, so that two objects of the same name are ordered as well (KEP-5504)."""
    return int(body["metadata"]["resourceVersion"])
