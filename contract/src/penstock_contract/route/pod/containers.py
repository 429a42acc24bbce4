"""Variables of a route's workers and their sources, and the containers beside them, as a Pod has them, with bounds.

The security context of each container is the operator's: unprivileged, without capabilities, as the `restricted` Pod
Security level requires.
"""

from typing import Annotated, Literal

from msgspec import Meta

from penstock_contract.route.pod.volumes import BY_PATH, ObjectName, VolumeMount, VolumeName
from penstock_contract.route.values import RouteStruct

BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
"""Of a list whose entries have a name: Kubernetes merges two of them by it."""
VariableName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z", max_length=253)]
# A whole number may be written without quotes, as everywhere in Kubernetes; the rest is Kubernetes' own syntax.
Quantity = (
    Annotated[int, Meta(ge=0)]
    | Annotated[
        str,
        Meta(pattern=r"^\+?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?\Z", max_length=32),
    ]
)
Quantities = Annotated[dict[str, Quantity], Meta(max_length=16)]
Words = Annotated[list[Annotated[str, Meta(max_length=8192)]], Meta(max_length=64)]


class ResourcesSpec(RouteStruct, frozen=True, kw_only=True):
    """As in a container of a Pod."""

    requests: Annotated[Quantities, Meta(description="Requested resources, such as `{cpu: 100m, memory: 128Mi}`.")] = {}
    limits: Annotated[Quantities, Meta(description="Upper bounds.")] = {}


class KeySelector(RouteStruct, frozen=True, kw_only=True):
    """A key of a Secret or ConfigMap in the route's namespace."""

    name: Annotated[ObjectName, Meta(description="The object, in the route's own namespace.")]
    key: Annotated[ObjectName, Meta(description="The key in it.")]
    optional: Annotated[bool, Meta(description="Start without it.")] = False


class PodFieldRef(RouteStruct, frozen=True, kw_only=True):
    """A field of the pod, such as `spec.nodeName`."""

    field_path: Annotated[str, Meta(min_length=1, max_length=512, description="The field.")]


class VariableSource(RouteStruct, frozen=True, kw_only=True):
    """Where a variable's value comes from; exactly one field."""

    secret_key_ref: Annotated[KeySelector | None, Meta(description="A key of a Secret.")] = None
    config_map_key_ref: Annotated[KeySelector | None, Meta(description="A key of a ConfigMap.")] = None
    field_ref: Annotated[PodFieldRef | None, Meta(description="A field of the pod.")] = None


class EnvVar(RouteStruct, frozen=True, kw_only=True):
    """A variable with its value, or with the source of its value."""

    name: Annotated[VariableName, Meta(description="Name of the variable.")]
    value: Annotated[
        Annotated[str, Meta(max_length=32_768)] | None, Meta(description="Value of the variable. Not set: empty.")
    ] = None
    value_from: Annotated[VariableSource | None, Meta(description="Source of the value, in place of `value`.")] = None


class EnvSource(RouteStruct, frozen=True, kw_only=True):
    """A Secret or ConfigMap of the route's namespace."""

    name: Annotated[ObjectName, Meta(description="The object.")]
    optional: Annotated[bool, Meta(description="Start without it.")] = False


class EnvFrom(RouteStruct, frozen=True, kw_only=True):
    """All keys of a Secret or ConfigMap as variables; exactly one of the two."""

    prefix: Annotated[str, Meta(max_length=253, description="In front of each variable's name.")] = ""
    secret_ref: Annotated[EnvSource | None, Meta(description="A Secret.")] = None
    config_map_ref: Annotated[EnvSource | None, Meta(description="A ConfigMap.")] = None


class ContainerPort(RouteStruct, frozen=True, kw_only=True):
    """A port of a container."""

    container_port: Annotated[int, Meta(ge=1, le=65_535, description="The port.")]
    protocol: Annotated[Literal["TCP", "UDP", "SCTP"], Meta(description="Its protocol.")] = "TCP"


class ContainerSpec(RouteStruct, frozen=True, kw_only=True):
    """A container beside the worker's, such as a proxy with a cloud's identity."""

    name: Annotated[VolumeName, Meta(description="Name of the container; not `worker`.")]
    image: Annotated[str, Meta(min_length=1, max_length=1024, description="Its image.")]
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None, Meta(description="When to pull the image.")
    ] = None
    command: Annotated[Words, Meta(description="Its command. None: the image's.")] = []
    args: Annotated[Words, Meta(description="Arguments of the command.")] = []
    env: Annotated[list[EnvVar], Meta(max_length=64, extra_json_schema=BY_NAME, description="Its variables.")] = []
    env_from: Annotated[list[EnvFrom], Meta(max_length=16, description="Its variables from whole objects.")] = []
    ports: Annotated[list[ContainerPort], Meta(max_length=16, description="Its ports.")] = []
    resources: Annotated[ResourcesSpec, Meta(description="Its CPU and memory.")] = ResourcesSpec()
    volume_mounts: Annotated[
        list[VolumeMount], Meta(max_length=64, extra_json_schema=BY_PATH, description="Its volumes.")
    ] = []


class InitContainerSpec(ContainerSpec, frozen=True, kw_only=True):
    """A container that ends before the worker starts or, with `restartPolicy`, starts before it and ends after it."""

    restart_policy: Annotated[
        Literal["Always"] | None, Meta(description="`Always`: a sidecar, which runs beside the worker.")
    ] = None
