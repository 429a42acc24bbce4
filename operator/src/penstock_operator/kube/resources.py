"""The kinds of object that the operator reads or writes, and where the API server keeps them.

Fixed, so that nothing has to be discovered: discovery costs requests at every start and rights that nobody needs.
"""

from typing import Final, NamedTuple


class Resource(NamedTuple):
    """`group` is empty for Kubernetes' first API."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        root = f"/apis/{self.group}" if self.group else "/api"
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}/{self.version}/namespaces/{namespace}/{self.plural}{tail}"


MODEL_ROUTES: Final = Resource("penstock.dev", "v1alpha1", "modelroutes", "ModelRoute")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
DISRUPTION_BUDGETS: Final = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PODS: Final = Resource("", "v1", "pods", "Pod")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
"""Made, and never read: of the workers' credentials for the broker."""
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")

WATCHED: Final = (MODEL_ROUTES, DEPLOYMENTS, DISRUPTION_BUDGETS, SERVICE_ACCOUNTS, PODS)
ALL: Final = (*WATCHED, SECRETS, EVENTS, LEASES)

MANAGED_BY: Final = "app.kubernetes.io/managed-by=penstock-operator"
"""Of everything but routes, only what is ours is listed and watched."""


def selector(resource: Resource) -> str:
    return "" if resource == MODEL_ROUTES else MANAGED_BY


def of_object(body: dict[str, str]) -> Resource:
    """The resource of an object by its `apiVersion` and `kind`; raises `LookupError` for one that is not ours."""
    for resource in ALL:
        if (resource.api_version, resource.kind) == (body["apiVersion"], body["kind"]):
            return resource
    raise LookupError(f"{body['apiVersion']} {body['kind']}")


def of_path(path: str) -> tuple[str, str] | None:
    """(namespace, plural) of a collection's path, None for any other path."""
    parts = path.strip("/").split("/")
    return (parts[-2], parts[-1]) if len(parts) >= 4 and parts[-3] == "namespaces" else None


def label(path: str) -> str:
    """What a path is about, for a metric: `pods`, `deployments/scale`, `discovery`; never a name."""
    _, found, tail = path.partition("/namespaces/")
    parts = tail.split("/")
    if not found or len(parts) < 2 or parts[1] not in _PLURALS:
        return "discovery"
    return "/".join((parts[1], *parts[3:4]))


_PLURALS: Final = frozenset(resource.plural for resource in ALL)
