"""Objects of a namespace as kubectl reads them: the user's contexts, logins and proxies need no code here."""

import shutil
import subprocess
from collections.abc import Mapping
from typing import Any, Final

import msgspec

TIMEOUT_S: Final = 20.0
KINDS: Final = "jobs,deployments,statefulsets,replicasets,pods,events"


class KubectlFailedError(Exception):
    """kubectl is missing, or failed; the message is its own."""


class Kubectl:
    """Reads one namespace."""

    def __init__(self, namespace: str, context: str | None) -> None:
        self.namespace = namespace
        self._options = [f"--namespace={namespace}", f"--request-timeout={TIMEOUT_S:.0f}s"]
        if context is not None:
            self._options.append(f"--context={context}")

    def objects(self, kinds: str = KINDS) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = msgspec.json.decode(self._run("get", kinds, "--output=json"))["items"]
        return found

    def last_line(self, pod: str) -> str:
        """The last line of the log of the pod's containers; empty if there is none."""
        try:
            lines = self._run("logs", pod, "--all-containers", "--tail=1").splitlines()
        except KubectlFailedError:
            return ""
        return lines[-1] if lines else ""

    def _run(self, *arguments: str) -> str:
        if (binary := shutil.which("kubectl")) is None:
            raise KubectlFailedError("kubectl is not on PATH")
        command = [binary, *arguments, *self._options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S * 2, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KubectlFailedError(f"kubectl {arguments[0]} does not end: {error}") from error
        if done.returncode:
            raise KubectlFailedError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        return done.stdout
