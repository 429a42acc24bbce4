"""Writes a pod's status to the API server whenever it has changed."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.kubernetes import pod_status
from harness.kubernetes.api import Api, ApiError, Manifest, persist
from harness.kubernetes.pod_status import ContainerState, Running, Terminated, Verdict, Waiting
from msgspec.structs import replace


class PodStatusWriter:
    """The state of a pod's one container, and the status that follows from it.

    `over` is set when the pod has succeeded or failed for good; `verdict` is the node's reason to end it.
    """

    def __init__(self, api: Api, path: str, uid: str, pod_ip: str) -> None:
        self._api, self._path, self._uid, self._pod_ip = api, path, uid, pod_ip
        self.container = ContainerState()
        self.began = time.time()
        self.over = False
        self.verdict: Verdict | None = None
        self._containers = 0
        self._changed = asyncio.Event()
        self._written: Mapping[str, Any] | None = None

    def becomes(self, state: Waiting | Running | Terminated) -> None:
        self.container = self.container.becomes(state)
        self._changed.set()

    def becomes_new_container(self, state: Running | Terminated) -> None:
        """A further container in this state: all but the first are restarts."""
        self.becomes(state)
        self.container = replace(self.container, restarts=self._containers)
        self._containers += 1

    def set(self, **facts: bool) -> None:
        """Results of probes: `started`, `ready`."""
        self.container = replace(self.container, **facts)
        self._changed.set()

    def end(self) -> None:
        self.over = True
        self._changed.set()

    async def run(self, manifest: Callable[[], Manifest]) -> None:
        """Write until cancelled. `manifest` returns the object as last received."""
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.write(manifest())

    async def write(self, manifest: Manifest) -> None:
        status = pod_status.status(
            manifest,
            self.container,
            pod_ip=self._pod_ip,
            started=self.began,
            now=time.time(),
            over=self.over,
            verdict=self.verdict if self.over else None,
        )
        if status == self._written:
            return
        change = {"metadata": {"uid": self._uid}, "status": status}
        await unless_deleted(lambda: self._api.patch(f"{self._path}/status", change, kind="strategic-merge"))
        self._written = status


async def unless_deleted(call: Callable[[], Any]) -> None:
    """Repeat the call until the API server answers; a deleted or replaced object is not an error."""
    try:
        await persist(call)
    except ApiError as error:
        if error.code not in {404, 409}:
            raise
