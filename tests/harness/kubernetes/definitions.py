"""CustomResourceDefinitions of foreign kinds that the chart may create: the Gateway API's, prometheus-operator's.

They come in Go modules that `tests/cluster/go/definitions` pins by hash, so that git contains no copy.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from harness.kubernetes.binaries import GO

WANTED: Mapping[str, Sequence[str]] = {
    "sigs.k8s.io/gateway-api": ("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
}
"""Module → its files."""


def of_others() -> list[dict[str, Any]]:
    """Fetches a few megabytes the first time; Go keeps them."""
    command = ["go", "mod", "download", "-json", *WANTED]
    done = subprocess.run(command, cwd=GO / "definitions", capture_output=True, text=True, check=True)
    directories = {module["Path"]: Path(module["Dir"]) for module in _documents(done.stdout)}
    paths = [directories[module] / file for module, files in WANTED.items() for file in files]
    return [yaml.safe_load(path.read_text("utf-8")) for path in paths]


def _documents(text: str) -> Iterator[dict[str, str]]:
    """JSON objects, one after the other."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].lstrip()
