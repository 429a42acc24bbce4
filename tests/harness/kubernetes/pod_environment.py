"""A container's environment, as a kubelet makes it from the pod: pure, with the kubelet's messages for missing parts.

Messages are those of pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables) of Kubernetes 1.36.
"""

import base64
from collections.abc import Mapping
from typing import Any


class ConfigError(Exception):
    """The container cannot be configured: `CreateContainerConfigError`."""


def secret_names(container: Mapping[str, Any]) -> set[str]:
    """The Secrets that its variables are taken from."""
    sources = (variable.get("valueFrom", {}) for variable in container.get("env", []))
    return {source["secretKeyRef"]["name"] for source in sources if "secretKeyRef" in source}


def environment(
    pod: Mapping[str, Any], container: Mapping[str, Any], pod_ip: str, secrets: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, str]:
    """Name → value. `secrets` has the object, or None, for each of `secret_names`."""
    if "envFrom" in container:
        raise NotImplementedError("the pocket kubelet knows no envFrom")
    fields = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"]["nodeName"],
        "status.podIP": pod_ip,
    }
    result = {}
    for variable in container.get("env", []):
        match variable:
            case {"valueFrom": {"secretKeyRef": reference}}:
                value = _secret(pod["metadata"]["namespace"], reference, secrets)
                if value is not None:
                    result[variable["name"]] = value
            case {"valueFrom": {"fieldRef": {"fieldPath": path}}} if path in fields:
                result[variable["name"]] = fields[path]
            case {"valueFrom": source}:
                raise NotImplementedError(f"the pocket kubelet knows no {source}")
            case _:
                result[variable["name"]] = variable.get("value", "")
    return result


def _secret(
    namespace: str, reference: Mapping[str, Any], secrets: Mapping[str, Mapping[str, Any] | None]
) -> str | None:
    name, key = reference["name"], reference["key"]
    secret = secrets[name]
    if secret is not None and key in secret.get("data", {}):
        return base64.b64decode(secret["data"][key]).decode()
    if reference.get("optional"):
        return None
    if secret is None:
        raise ConfigError(f'secret "{name}" not found')
    raise ConfigError(f"couldn't find key {key} in Secret {namespace}/{name}")
