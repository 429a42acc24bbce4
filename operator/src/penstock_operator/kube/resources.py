"""The kinds of object that the operator reads or writes: API paths, collections, labels and field managers.

The list is fixed. Discovery would cost requests at every start, and rights that nothing else needs.
"""

from typing import Any, Final, NamedTuple

Body = dict[str, Any]
"""The whole JSON of an object."""
Key = tuple[str, str]
"""Namespace and name of an object; of a route, unless stated otherwise."""


class Resource(NamedTuple):
    """`group` is empty for the core API."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Of an object, of a collection, or with an empty namespace of the whole cluster's collection."""
        root = f"/apis/{self.group}" if self.group else "/api"
        scope = f"/namespaces/{namespace}" if namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}/{self.version}{scope}/{self.plural}{tail}"


class Collection(NamedTuple):
    """The objects of one kind in one namespace: the unit of lists and watches. Empty namespace: the whole cluster."""

    resource: Resource
    namespace: str


MODEL_ROUTES: Final = Resource("penstock.dev", "v1alpha1", "modelroutes", "ModelRoute")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
DISRUPTION_BUDGETS: Final = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PODS: Final = Resource("", "v1", "pods", "Pod")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
"""Created with the workers' NATS credentials; the operator has no right to read them."""
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace")
"""Watched if namespaces are selected by their labels."""
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")

WATCHED: Final = (MODEL_ROUTES, DEPLOYMENTS, DISRUPTION_BUDGETS, SERVICE_ACCOUNTS, PODS)
ALL: Final = (*WATCHED, NAMESPACES, SECRETS, EVENTS, LEASES)
_BY_PLURAL: Final = {resource.plural: resource for resource in ALL}

ROUTE_LABEL: Final = "penstock.dev/route"
"""On every object and pod of a route, with the route's name."""
MANAGED_BY: Final = "app.kubernetes.io/managed-by=penstock-operator"
"""Label selector of lists and watches of every kind but ModelRoute."""

FIELD_MANAGER: Final = "penstock"
"""Field manager of everything that is applied but the number of workers."""
SCALE_FIELD_MANAGER: Final = "penstock-scaler"
"""A second field manager, for `spec.replicas` alone: an apply of the Deployment never changes the number."""


def selector(resource: Resource) -> str:
    """Of the labels of a kind, for lists and watches; that of namespaces is a setting."""
    return "" if resource in {MODEL_ROUTES, NAMESPACES} else MANAGED_BY


def of_object(body: Body) -> Resource:
    """The resource of an object by its `apiVersion` and `kind`. Raises `LookupError` for any other kind."""
    for resource in ALL:
        if (resource.api_version, resource.kind) == (body["apiVersion"], body["kind"]):
            return resource
    raise LookupError(f"{body['apiVersion']} {body['kind']}")


def of_path(path: str) -> Collection | None:
    """The collection at a path, None for the path of an object, of another kind, or of discovery."""
    parts = path.strip("/").split("/")
    if parts[-1] not in _BY_PLURAL:
        return None
    if len(parts) >= 5 and parts[-3] == "namespaces":
        return Collection(_BY_PLURAL[parts[-1]], parts[-2])
    # /api/v1/pods, /apis/apps/v1/deployments: of the whole cluster.
    return Collection(_BY_PLURAL[parts[-1]], "") if (parts[0], len(parts)) in {("api", 3), ("apis", 4)} else None


def label(path: str) -> str:
    """The metric label of a path: `pods`, `deployments/scale`, `discovery`; never an object's name."""
    if (collection := of_path(path)) is not None:
        return collection.resource.plural
    _, found, tail = path.partition("/namespaces/")
    parts = tail.split("/")
    if not found or len(parts) < 2 or parts[1] not in _BY_PLURAL:
        return "discovery"
    return "/".join((parts[1], *parts[3:4]))
