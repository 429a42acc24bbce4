"""A container's volumes as files: a kubelet's mount at `/etc/x` is a directory `<root>/etc/x` here.

It covers Secrets, ConfigMaps, a ServiceAccount's token, and fields of the pod. Scratch space is the machine's. Contents
are as of the container's start. Paths in a program's settings are translated by `harness.kubernetes.in_pod`.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.kubernetes.api import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, Api, Manifest

SCRATCH = {"emptyDir", "persistentVolumeClaim"}


class MountError(Exception):
    """Something of a volume is not there (yet): the container stays in `ContainerCreating`."""


async def mount(pod: Manifest, container: Mapping[str, Any], api: Api, root: Path) -> None:
    """Raises `MountError`."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    for mounted in container.get("volumeMounts", []):
        volume = volumes[mounted["name"]]
        if SCRATCH & volume.keys():
            continue
        target = root / mounted["mountPath"].lstrip("/")
        for path, data in (await _files(pod, volume, api)).items():
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


async def _files(pod: Manifest, volume: Mapping[str, Any], api: Api) -> dict[str, bytes]:
    namespace = pod["metadata"]["namespace"]
    match volume:
        case {"projected": {"sources": sources}}:
            found: dict[str, bytes] = {}
            for source in sources:
                found |= await _files(pod, source, api)
            return found
        case {"secret": secret}:
            name = secret.get("secretName") or secret["name"]
            if secret.get("optional") and await api.find(SECRETS.at(namespace, name)) is None:
                return {}
            data = await _data(api, SECRETS.at(namespace, name), "secret", name)
            return _chosen({key: base64.b64decode(value) for key, value in data.items()}, secret)
        case {"configMap": config_map}:
            data = await _data(api, CONFIG_MAPS.at(namespace, config_map["name"]), "configmap", config_map["name"])
            return _chosen({key: value.encode() for key, value in data.items()}, config_map)
        case {"serviceAccountToken": token}:
            path = SERVICE_ACCOUNTS.at(namespace, pod["spec"]["serviceAccountName"], "token")
            granted = await api.create(path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"})
            return {token["path"]: granted["status"]["token"].encode()}
        case {"downwardAPI": {"items": items}}:
            assert all(item["fieldRef"]["fieldPath"] == "metadata.namespace" for item in items), items
            return {item["path"]: namespace.encode() for item in items}
    raise NotImplementedError(f"the pocket kubelet knows no {volume}")


async def _data(api: Api, path: str, kind: str, name: str) -> dict[str, str]:
    if (found := await api.find(path)) is None:
        raise MountError(f'{kind} "{name}" not found')
    data: dict[str, str] = found.get("data", {})
    return data


def _chosen(data: Mapping[str, bytes], source: Mapping[str, Any]) -> dict[str, bytes]:
    if "items" not in source:
        return dict(data)
    for item in source["items"]:
        if item["key"] not in data and not source.get("optional"):
            raise MountError(f"references non-existent {source.get('secretName', '')} key: {item['key']}")
    return {item["path"]: data[item["key"]] for item in source["items"] if item["key"] in data}
