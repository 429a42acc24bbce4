"""The real skaffold with this checkout's skaffold.yaml, for what a person would type.

await skaffold("diagnose", "--yaml-only", profile="ci")
objects = await skaffold.render("dev", {"penstock": "penstock:1", "penstock-models": "penstock-models:1"})
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from harness.kubernetes import binaries

ROOT = Path(__file__).parents[3]


class SkaffoldError(RuntimeError):
    """Skaffold failed; the message is its output."""


class Skaffold:
    """`directory` takes its caches. It finds our Helm and kubectl, as it calls both by their names."""

    def __init__(self, directory: Path, kubeconfig: Path | None = None) -> None:
        self._env = {
            "PATH": os.pathsep.join(
                [*(str(binaries.binary(name).parent) for name in ("helm", "kubectl")), os.environ["PATH"]]
            ),
            # No configuration of the user, and no request for updates.
            "HOME": str(directory),
            "SKAFFOLD_UPDATE_CHECK": "false",
            "SKAFFOLD_INTERACTIVE": "false",
            "KUBECONFIG": str(kubeconfig or directory / "none"),
        }

    async def __call__(
        self,
        *arguments: str,
        profile: str = "",
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> str:
        """Run it and return what it printed."""
        chosen = [f"--profile={profile}"] if profile else []
        process = await asyncio.create_subprocess_exec(
            str(binaries.binary("skaffold")),
            *arguments,
            *chosen,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self._env, **(env or {})},
        )
        try:
            async with asyncio.timeout(timeout_s):
                logged, complaint = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise SkaffoldError(f"skaffold {' '.join(arguments)}: {complaint.decode().strip()}\n{logged.decode()}")
        return logged.decode()

    async def render(
        self, profile: str, images: Mapping[str, str], env: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The objects that `deploy` would apply. `images`: artifact → what was built of it."""
        built = ",".join(f"{name}={image}" for name, image in images.items())
        logged = await self("render", "--digest-source=tag", f"--images={built}", profile=profile, env=env)
        return [one for one in yaml.safe_load_all(logged) if one]
