"""The settings of a route's worker pods, as `spec.worker` of a ModelRoute has them.

Placement, containers and volumes are in `pod`. What the bounds here let through and a Pod refuses, the API server
refuses when the Deployment is applied.
"""

from typing import Annotated, Literal

from msgspec import Meta

from penstock_contract.route.pod.containers import (
    BY_NAME,
    ContainerSpec,
    EnvFrom,
    EnvVar,
    InitContainerSpec,
    ResourcesSpec,
)
from penstock_contract.route.pod.placement import Affinity, Toleration, TopologySpreadConstraint
from penstock_contract.route.pod.volumes import BY_PATH, Volume, VolumeMount
from penstock_contract.route.values import RouteStruct

Strings = Annotated[dict[str, Annotated[str, Meta(max_length=65_536)]], Meta(max_length=64)]


class PullSecret(RouteStruct, frozen=True, kw_only=True):
    """A Secret of type kubernetes.io/dockerconfigjson in the route's own namespace."""

    name: Annotated[str, Meta(min_length=1, max_length=253, description="The Secret, in the route's own namespace.")]


class ServiceAccountSpec(RouteStruct, frozen=True, kw_only=True):
    """The ServiceAccount that the operator makes for the route's workers. It has no token for the API server."""

    annotations: Annotated[
        Strings, Meta(description="Annotations by which a cloud assigns an identity to the workers.")
    ] = {}


class WorkerSpec(RouteStruct, frozen=True, kw_only=True):
    """The settings of the worker's pods. A laptop has no pods and ignores them."""

    image: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1024)] | None,
        Meta(description="Image of the worker. Not set: the operator's default."),
    ] = None
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None,
        Meta(
            description="When to pull the image. Not set: the operator's default for its own image; otherwise"
            " Kubernetes decides by the tag."
        ),
    ] = None
    image_pull_secrets: Annotated[
        list[PullSecret],
        Meta(
            max_length=16,
            extra_json_schema=BY_NAME,
            description="Credentials of the image's registry. None: Secrets with the names of the operator's.",
        ),
    ] = []
    resources: Annotated[ResourcesSpec, Meta(description="CPU and memory of a worker.")] = ResourcesSpec()
    env: Annotated[
        list[EnvVar],
        Meta(
            max_length=64,
            extra_json_schema=BY_NAME,
            description="Additional variables of the worker; those that the operator sets are refused.",
        ),
    ] = []
    env_from: Annotated[
        list[EnvFrom], Meta(max_length=16, description="Variables from all keys of Secrets and ConfigMaps; `env` wins.")
    ] = []
    volumes: Annotated[
        list[Volume], Meta(max_length=32, extra_json_schema=BY_NAME, description="Additional volumes of the pods.")
    ] = []
    volume_mounts: Annotated[
        list[VolumeMount],
        Meta(
            max_length=64,
            extra_json_schema=BY_PATH,
            description="Volumes in the worker's container, such as a private CA for `SSL_CERT_FILE`.",
        ),
    ] = []
    init_containers: Annotated[
        list[InitContainerSpec],
        Meta(max_length=8, extra_json_schema=BY_NAME, description="Containers that start before the worker."),
    ] = []
    extra_containers: Annotated[
        list[ContainerSpec],
        Meta(max_length=8, extra_json_schema=BY_NAME, description="Containers beside the worker."),
    ] = []
    runtime_class_name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=253)] | None, Meta(description="RuntimeClass of the pods.")
    ] = None
    node_selector: Annotated[Strings, Meta(description="Labels that a worker's node must have.")] = {}
    tolerations: Annotated[
        list[Toleration],
        Meta(max_length=64, description="Taints that a worker's node may have, as in a Pod."),
    ] = []
    affinity: Annotated[Affinity | None, Meta(description="Placement of workers, as in a Pod.")] = None
    topology_spread_constraints: Annotated[
        list[TopologySpreadConstraint],
        Meta(max_length=16, description="Spread of workers over nodes and zones, as in a Pod."),
    ] = []
    priority_class_name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=253)] | None,
        Meta(description="PriorityClass of the pods."),
    ] = None
    pod_labels: Annotated[
        Strings, Meta(description="Additional labels of the pods; the operator's own take precedence.")
    ] = {}
    pod_annotations: Annotated[Strings, Meta(description="Additional annotations of the pods.")] = {}
    service_account: Annotated[ServiceAccountSpec, Meta(description="The workers' ServiceAccount.")] = (
        ServiceAccountSpec()
    )
    termination_grace_period_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=90_000,
            description="Time for a terminating worker to finish its streams; at least"
            " `limits.requestTimeoutSeconds`, so that none is cut. The pod has 5 s more.",
        ),
    ] = 660
