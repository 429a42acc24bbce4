"""`penstock doctor --namespace` as a process, with the real kubectl on its PATH.

found = (await ClusterDoctor(kubeconfig, namespace, directory).findings())["job"]["found"]
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from harness.dev import COMMAND
from harness.kubernetes import binaries


class ClusterDoctor:
    def __init__(self, kubeconfig: Path, namespace: str, directory: Path) -> None:
        programs = directory / "bin"
        programs.mkdir()
        (programs / "kubectl").symlink_to(binaries.binary("kubectl"))
        self._command = [COMMAND, "doctor", "--json", "--namespace", namespace]
        self._environ = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "KUBECONFIG": str(kubeconfig),
        }

    async def findings(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """The findings other than `ok`, by check; the exit code must agree with it."""
        process = await asyncio.create_subprocess_exec(
            *self._command, *arguments, env=self._environ, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()
        found = json.loads(printed)
        assert process.returncode == any(one["state"] == "problem" for one in found), found
        return {one["check"]: one for one in found if one["state"] != "ok"}

    async def job(self, words: str) -> dict[str, Any]:
        """The finding about the Job of the broker's keys, as soon as it has these words."""
        async with asyncio.timeout(60):
            while words not in (job := (await self.findings()).get("job", {})).get("found", ""):
                pass
        return job
