"""The settings of a route's worker pods, as `spec.worker` of a ModelRoute has them.

Placement is in `route_placement`. What the bounds here let through and a Pod refuses, the API server refuses when the
Deployment is applied.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from penstock_contract.route.placement import Affinity, Toleration, TopologySpreadConstraint

BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
"""Of a list whose entries have a name: Kubernetes merges two of them by it."""
VariableName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z", max_length=253)]
Strings = Annotated[dict[str, Annotated[str, Meta(max_length=65_536)]], Meta(max_length=64)]
# A whole number may be written without quotes, as everywhere in Kubernetes; the rest is Kubernetes' own syntax.
Quantity = (
    Annotated[int, Meta(ge=0)]
    | Annotated[
        str,
        Meta(pattern=r"^\+?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?\Z", max_length=32),
    ]
)
Quantities = Annotated[dict[str, Quantity], Meta(max_length=16)]


class _Camel(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    pass


class PullSecret(_Camel, frozen=True, kw_only=True):
    """A Secret of type kubernetes.io/dockerconfigjson in the route's own namespace."""

    name: Annotated[str, Meta(min_length=1, max_length=253, description="The Secret, in the route's own namespace.")]


class ResourcesSpec(_Camel, frozen=True, kw_only=True):
    """As in a container of a Pod."""

    requests: Annotated[Quantities, Meta(description="What a worker is given, like `{cpu: 100m, memory: 128Mi}`.")] = {}
    limits: Annotated[Quantities, Meta(description="What it may not exceed.")] = {}


class EnvVar(_Camel, frozen=True, kw_only=True):
    """A variable with its plain value. A secret comes in through a provider's `secretKeyRef`."""

    name: Annotated[VariableName, Meta(description="The variable.")]
    value: Annotated[str, Meta(max_length=32_768, description="Its value, as it is.")] = ""


class ServiceAccountSpec(_Camel, frozen=True, kw_only=True):
    """The ServiceAccount that the operator makes for the route's workers. It has no token for the API server."""

    annotations: Annotated[
        Strings, Meta(description="Annotations by which a cloud gives the workers an identity of its own.")
    ] = {}


class WorkerSpec(_Camel, frozen=True, kw_only=True):
    """The settings of the worker's pods. A laptop has no pods and ignores them."""

    image: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1024)] | None,
        Meta(description="The worker's image. Not set: the one that the operator was installed with."),
    ] = None
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None,
        Meta(
            description="When to pull the image. Not set: as the operator was installed for its own image; for another"
            " one Kubernetes decides by the tag."
        ),
    ] = None
    image_pull_secrets: Annotated[
        list[PullSecret],
        Meta(
            max_length=16,
            extra_json_schema=BY_NAME,
            description="Credentials of the image's registry. None: those of the operator, by their name.",
        ),
    ] = []
    resources: Annotated[ResourcesSpec, Meta(description="CPU and memory of a worker.")] = ResourcesSpec()
    env: Annotated[
        list[EnvVar],
        Meta(
            max_length=64,
            extra_json_schema=BY_NAME,
            description="Further variables of the worker, but for those that the operator sets.",
        ),
    ] = []
    node_selector: Annotated[Strings, Meta(description="Labels that a worker's node must have.")] = {}
    tolerations: Annotated[
        list[Toleration],
        Meta(max_length=64, description="Taints that a worker's node may have, as in a Pod."),
    ] = []
    affinity: Annotated[Affinity | None, Meta(description="Where workers should be placed, as in a Pod.")] = None
    topology_spread_constraints: Annotated[
        list[TopologySpreadConstraint],
        Meta(max_length=16, description="How workers are spread over nodes and zones, as in a Pod."),
    ] = []
    priority_class_name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=253)] | None,
        Meta(description="Whom a worker may displace, and who may displace it."),
    ] = None
    pod_labels: Annotated[Strings, Meta(description="Further labels of the pods; the operator's own win.")] = {}
    pod_annotations: Annotated[Strings, Meta(description="Further annotations of the pods.")] = {}
    service_account: Annotated[ServiceAccountSpec, Meta(description="The workers' ServiceAccount.")] = (
        ServiceAccountSpec()
    )
    termination_grace_period_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=90_000,
            description="How long a worker may finish its streams when its pod has to go; at least"
            " `limits.requestTimeoutSeconds`, so that none is cut. The pod itself has 5 s more.",
        ),
    ] = 660
