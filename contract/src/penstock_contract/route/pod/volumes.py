"""Volumes and mounts of a route's worker pods, as a Pod has them, with bounds.

Without hostPath: a node's files are not a route author's, and the `restricted` Pod Security level refuses it. A type
that is missing here can be mounted through a PersistentVolumeClaim or a CSI driver.
"""

from typing import Annotated

from msgspec import Meta

from penstock_contract.route.values import RouteStruct

BY_PATH = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["mountPath"]}
"""Of a list of mounts: a volume may be mounted several times."""
ObjectName = Annotated[str, Meta(min_length=1, max_length=253)]
VolumeName = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z", max_length=63)]
MountPath = Annotated[str, Meta(pattern=r"^/[^:]*\Z", max_length=1024)]
SizeLimit = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,9}[KMGT]i\Z", max_length=13)]
FilePath = Annotated[str, Meta(min_length=1, max_length=1024)]
Mode = Annotated[int, Meta(ge=0, le=0o777)]


class KeyFile(RouteStruct, frozen=True, kw_only=True):
    """One key of a Secret or ConfigMap as a file."""

    key: Annotated[ObjectName, Meta(description="The key.")]
    path: Annotated[FilePath, Meta(description="Path of the file in the volume.")]
    mode: Annotated[Mode | None, Meta(description="Permissions of the file.")] = None


Items = Annotated[list[KeyFile], Meta(max_length=64, description="Only these keys. None: every key, by its name.")]


class SecretFiles(RouteStruct, frozen=True, kw_only=True):
    """A Secret of the route's namespace as files."""

    secret_name: Annotated[ObjectName, Meta(description="The Secret.")]
    items: Items = []
    default_mode: Annotated[Mode | None, Meta(description="Permissions of the files. Not set: 0644.")] = None
    optional: Annotated[bool, Meta(description="Start without it.")] = False


class ConfigMapFiles(RouteStruct, frozen=True, kw_only=True):
    """A ConfigMap of the route's namespace as files."""

    name: Annotated[ObjectName, Meta(description="The ConfigMap.")]
    items: Items = []
    default_mode: Annotated[Mode | None, Meta(description="Permissions of the files. Not set: 0644.")] = None
    optional: Annotated[bool, Meta(description="Start without it.")] = False


class EmptyDir(RouteStruct, frozen=True, kw_only=True):
    """An empty folder, deleted with the pod."""

    medium: Annotated[str, Meta(max_length=63, description="`Memory` for a file system in memory.")] = ""
    size_limit: Annotated[SizeLimit | None, Meta(description="Its bound.")] = None


class VolumeClaim(RouteStruct, frozen=True, kw_only=True):
    """A PersistentVolumeClaim of the route's namespace."""

    claim_name: Annotated[ObjectName, Meta(description="The claim.")]
    read_only: Annotated[bool, Meta(description="Mount it read-only.")] = False


class CsiVolume(RouteStruct, frozen=True, kw_only=True):
    """A volume that a CSI driver makes with the pod, such as `secrets-store.csi.k8s.io`."""

    driver: Annotated[ObjectName, Meta(description="The driver.")]
    read_only: Annotated[bool, Meta(description="Mount it read-only.")] = False
    volume_attributes: Annotated[
        Annotated[dict[str, Annotated[str, Meta(max_length=4096)]], Meta(max_length=32)],
        Meta(description="The driver's own settings."),
    ] = {}


class ServiceAccountToken(RouteStruct, frozen=True, kw_only=True):
    """A token of the workers' ServiceAccount for another service than the API server."""

    audience: Annotated[str, Meta(min_length=1, max_length=1024, description="The service that accepts it.")]
    expiration_seconds: Annotated[int, Meta(ge=600, le=4_294_967_296, description="Its validity.")] = 3600
    path: Annotated[FilePath, Meta(description="Path of the file in the volume.")]


class ProjectedFiles(RouteStruct, frozen=True, kw_only=True):
    """One of several sources of a projected volume; exactly one field."""

    secret: Annotated[ConfigMapFiles | None, Meta(description="A Secret.")] = None
    config_map: Annotated[ConfigMapFiles | None, Meta(description="A ConfigMap.")] = None
    service_account_token: Annotated[ServiceAccountToken | None, Meta(description="A token.")] = None


class Projected(RouteStruct, frozen=True, kw_only=True):
    """Several sources in one folder."""

    sources: Annotated[list[ProjectedFiles], Meta(max_length=16, description="The sources.")]
    default_mode: Annotated[Mode | None, Meta(description="Permissions of the files. Not set: 0644.")] = None


class Volume(RouteStruct, frozen=True, kw_only=True):
    """A volume of the pods; exactly one field beside the name."""

    name: Annotated[VolumeName, Meta(description="Name of the volume; `tmp`, `nats` and `keys` are the operator's.")]
    secret: Annotated[SecretFiles | None, Meta(description="A Secret as files.")] = None
    config_map: Annotated[ConfigMapFiles | None, Meta(description="A ConfigMap as files.")] = None
    empty_dir: Annotated[EmptyDir | None, Meta(description="An empty folder.")] = None
    persistent_volume_claim: Annotated[VolumeClaim | None, Meta(description="A claim.")] = None
    csi: Annotated[CsiVolume | None, Meta(description="A volume of a CSI driver.")] = None
    projected: Annotated[Projected | None, Meta(description="Several sources in one folder.")] = None


class VolumeMount(RouteStruct, frozen=True, kw_only=True):
    """A volume in a container."""

    name: Annotated[VolumeName, Meta(description="The volume.")]
    mount_path: Annotated[MountPath, Meta(description="Absolute path in the container.")]
    sub_path: Annotated[str, Meta(max_length=1024, description="Path in the volume. Empty: its root.")] = ""
    read_only: Annotated[bool, Meta(description="Mount it read-only.")] = False
