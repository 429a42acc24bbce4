"""The real Helm as one identity, for what a person would type.

await helm("install", "penstock", str(CHART), "--wait", namespace=namespace, values={"gateway": {"replicas": 1}})
objects = await helm.template(values={…})
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from harness.kubernetes import binaries

from penstock_local.process.parent_death import parent_death_signal

CHART = Path(__file__).parents[3] / "charts" / "penstock"


class HelmError(RuntimeError):
    """Helm failed; the message is its output."""


class Helm:
    """`directory` takes its caches; without `kubeconfig` it can only render and lint. `program`: `helm` or `helm3`."""

    def __init__(self, directory: Path, kubeconfig: Path | None = None, *, program: str = "helm") -> None:
        self._directory = directory
        self._program = program
        self._kubeconfig = kubeconfig
        self._identity = [] if kubeconfig is None else [f"--kubeconfig={kubeconfig}"]

    def by(self, program: str) -> "Helm":
        """The same by another version of Helm."""
        return Helm(self._directory, self._kubeconfig, program=program)

    async def __call__(
        self,
        *arguments: str,
        namespace: str = "default",
        values: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> str:
        """Run it and return what it printed; `values` go to its standard input."""
        given = [] if values is None else ["--values", "-"]
        if "--wait" in arguments:
            # Helm's own time ends before ours, as its error then names what it waited for.
            given.append(f"--timeout={timeout_s * 0.9:.0f}s")
        process = await asyncio.create_subprocess_exec(
            str(binaries.binary(self._program)),
            *arguments,
            *given,
            f"--namespace={namespace}",
            *self._identity,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=parent_death_signal(),
            # Nothing of the person's own: neither KUBECONFIG nor their plugins and repositories.
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._directory),
                **binaries.ENVIRONMENT,
                **{f"HELM_{kind}_HOME": str(self._directory / kind) for kind in ("CACHE", "CONFIG", "DATA")},
            },
        )
        try:
            async with asyncio.timeout(timeout_s):
                logged, complaint = await process.communicate(msgspec.json.encode(values or {}))
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise HelmError(f"helm {' '.join(arguments)}: {complaint.decode().strip()}\n{logged.decode()}")
        return logged.decode()

    async def template(self, values: Mapping[str, Any] | None = None, *arguments: str) -> list[dict[str, Any]]:
        """The objects of a release `penstock` in the namespace `ai`."""
        command = ("template", "penstock", str(CHART), *arguments)
        rendered = await self(*command, namespace="ai", values=values)
        # libyaml's, as PyYAML's own takes a second for what a chart renders.
        return [one for one in yaml.load_all(rendered, yaml.CSafeLoader) if one]
