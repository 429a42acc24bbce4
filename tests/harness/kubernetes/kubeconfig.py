"""Kubeconfigs, written and read."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


def write(path: Path, cluster: Mapping[str, Any], token: str, namespace: str = "default") -> Path:
    """One with a single context: this cluster (a kubeconfig's own `cluster` object), by this token."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user", "namespace": namespace}}],
        "current-context": "context",
    }
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(config))  # JSON is YAML
    return path


def cluster(server: str, certificate: Path) -> dict[str, str]:
    """The `cluster` object of a kubeconfig, with the certificate inside."""
    return {"server": server, "certificate-authority-data": base64.b64encode(certificate.read_bytes()).decode()}
