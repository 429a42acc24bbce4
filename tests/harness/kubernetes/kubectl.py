"""The real kubectl as one identity, for what a person would type.

await kubectl("apply", "-f", "-", manifests=[route])
found = await kubectl.json("get", "mr", "main", "-n", namespace)
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from harness.kubernetes import binaries
from harness.processes import until

from penstock_local.process.parent_death import parent_death_signal

ESTABLISHED_S = 20.0


class KubectlError(RuntimeError):
    """kubectl failed; the message is its output."""


class Kubectl:
    def __init__(self, binary: Path, kubeconfig: Path) -> None:
        self.binary = binary
        self._command = [str(binary), f"--kubeconfig={kubeconfig}", f"--cache-dir={kubeconfig.parent / 'kubectl'}"]

    def command(self, *arguments: str) -> list[str]:
        """To start it as a process of its own, `kubectl proxy` for one."""
        return [*self._command, *arguments]

    async def __call__(
        self, *arguments: str, manifests: Sequence[Mapping[str, Any]] | None = None, timeout_s: float = 60.0
    ) -> str:
        """Run it and return what it printed; `manifests` go to its standard input."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=parent_death_signal(),
            # Nothing of the person's own: neither KUBECONFIG nor a proxy.
            env={**binaries.ENVIRONMENT, **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}},
        )
        given = b"" if manifests is None else yaml.safe_dump_all(manifests).encode()
        try:
            async with asyncio.timeout(timeout_s):
                logged, complaint = await process.communicate(given)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {complaint.decode().strip()}")
        return logged.decode()

    async def json(self, *arguments: str, **options: Any) -> Any:
        return msgspec.json.decode(await self(*arguments, "-o", "json", **options))

    async def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Server-side apply, with kubectl's own field manager."""
        await self("apply", "--server-side", "-f", "-", manifests=manifests)

    async def install(self, *crds: Mapping[str, Any]) -> None:
        """Returns when the API server serves them.

        Not by `kubectl wait`: it fails on `conditions: null`, which a CRD has until its controllers have seen it.
        """
        await self.apply(*crds)
        names = [crd["metadata"]["name"] for crd in crds]

        async def established() -> bool:
            return all([is_established(await self.json("get", "crd", name)) for name in names])

        await until(established, f"{', '.join(names)} established", timeout_s=ESTABLISHED_S)


def is_established(crd: Mapping[str, Any]) -> bool:
    """Of a CustomResourceDefinition as the API server returns it: whether its resources are served."""
    conditions = crd.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
