"""One pod's life on the pocket node: its container as a real process, and its status as a kubelet writes it.

Pull, configure, start, probe, restart with back-off; SIGTERM on deletion, SIGKILL after the grace period, then the
object goes. Waits are a tenth of a real kubelet's (10 s to 5 min), so that a test sees a cure.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from harness.fork_server import Forked, fork_server, forks
from harness.kubernetes import pod_environment, pod_image, pod_volumes
from harness.kubernetes.api import PODS, SECRETS, Api, Manifest, persist
from harness.kubernetes.pod_image import Image
from harness.kubernetes.pod_probe import Probe
from harness.kubernetes.pod_status import Running, Terminated, Verdict, Waiting
from harness.kubernetes.pod_status_writer import PodStatusWriter, unless_deleted

from penstock_local.process.parent_death import parent_death_signal

BACK_OFF_S = 1.0
BACK_OFF_MAX_S = 4.0
AGAIN_S = 1.0
"""Between two looks for what the container's configuration lacks."""


class PocketPod:
    """`run` ends when the object is gone; `update` and `removed` are called by the watch."""

    def __init__(
        self,
        manifest: Manifest,
        pod_ip: str,
        api: Api,
        http: httpx.AsyncClient,
        images: Mapping[str, Image],
        directory: Path,
    ) -> None:
        metadata = manifest["metadata"]
        self.manifest = manifest
        self.namespace: str = metadata["namespace"]
        self.name: str = metadata["name"]
        self.uid: str = metadata["uid"]
        self.pod_ip = pod_ip
        self._root = directory / f"{self.namespace}_{self.name}_{self.uid}"
        self.log_path = directory / f"{self.namespace}_{self.name}.log"
        self._spec: Mapping[str, Any] = manifest["spec"]["containers"][0]
        self._path = PODS.at(self.namespace, self.name)
        self._api, self._http, self._images = api, http, images
        self._status = PodStatusWriter(api, self._path, self.uid, pod_ip)
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._hollow = False
        self._doomed = asyncio.Event()
        self._gone = asyncio.Event()
        self._back_off_s = 0.0
        self.update(manifest)

    @property
    def pid(self) -> int | None:
        """Of the container's process while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    def update(self, manifest: Manifest) -> None:
        """The object as it is now."""
        self.manifest = manifest
        if "deletionTimestamp" in manifest["metadata"]:
            self._doomed.set()

    def removed(self) -> None:
        """The object is gone without us: what is left is killed."""
        self._gone.set()
        self._doomed.set()
        self._kill()

    def evict(self, verdict: Verdict) -> None:
        """End it for the node's sake; the object stays, as Failed."""
        self._status.verdict = verdict
        self._doomed.set()

    async def run(self) -> None:
        writing = asyncio.create_task(self._status.run(lambda: self.manifest))
        try:
            while not self._doomed.is_set():
                if not await self._start():
                    continue
                await self._attend()
                if self._complete:
                    await self._stay_over()
                else:
                    await self._crashed()
        finally:
            self._kill()
            writing.cancel()
            await asyncio.wait([writing])
        await self._finish()

    # Starting

    async def _start(self) -> bool:
        """One try. False, after a pause, if it cannot be yet."""
        image = self._images.get(self._spec["image"])
        if image is None:
            await self._cannot_pull()
            return False
        try:
            if not image.hollow:
                await persist(partial(pod_volumes.mount, self.manifest, self._spec, self._api, self._root))
            own = await self._environment()
        except pod_volumes.MountError:
            self._status.becomes(Waiting("ContainerCreating"))
            await self._pause(AGAIN_S)
            return False
        except pod_environment.ConfigError as error:
            self._status.becomes(Waiting("CreateContainerConfigError", str(error)))
            await self._pause(AGAIN_S)
            return False
        now = time.time()
        self._hollow = image.hollow
        if image.hollow:
            self._process = None
        else:
            try:
                env = pod_image.environment(image, self.pod_ip, self._root, own)
                await self._spawn(pod_image.command(image, self._spec), env)
            except pod_image.StartError as error:
                self._status.becomes_new_container(Terminated(128, now, now, "StartError", str(error)))
                await self._crashed()
                return False
        self._status.becomes_new_container(Running(now))
        return True

    async def _cannot_pull(self) -> None:
        name, complaint = self._spec["image"], pod_image.not_found(self._spec["image"])
        if (misspelled := pod_image.misspelled(name)) is not None:
            self._status.becomes(Waiting("InvalidImageName", misspelled))
            await self._pause(AGAIN_S)
            return
        self._status.becomes(Waiting("ErrImagePull", complaint))
        await self._pause(AGAIN_S)
        self._status.becomes(Waiting("ImagePullBackOff", f'Back-off pulling image "{name}": ErrImagePull: {complaint}'))
        await self._pause(BACK_OFF_S)

    async def _environment(self) -> dict[str, str]:
        secrets: dict[str, Manifest | None] = {}
        for name in pod_environment.secret_names(self._spec):
            secrets[name] = await persist(partial(self._api.find, SECRETS.at(self.namespace, name)))
        return pod_environment.environment(self.manifest, self._spec, self.pod_ip, secrets)

    async def _spawn(self, command: list[str], env: dict[str, str]) -> None:
        with self.log_path.open("ab") as log:
            if forks(command):
                self._process = fork_server().start(command, env, log)
                return
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
                preexec_fn=parent_death_signal(),
            )

    # Running

    async def _attend(self) -> None:
        """Probe it until it has ended, by itself or because the pod must go."""
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(self._probe()), group.create_task(self._end_when_doomed())]
            if self._process is None:
                await self._doomed.wait()
            else:
                await (self._process.ended() if isinstance(self._process, Forked) else self._process.wait())
            for watcher in watchers:
                watcher.cancel()
        state = self._status.container.state
        began = state.since if isinstance(state, Running) else self._status.began
        code = 0 if self._process is None else self._process.returncode
        assert code is not None
        code = code if code >= 0 else 128 - code
        self._status.becomes(Terminated(code, began, time.time(), "Completed" if code == 0 else "Error"))

    async def _probe(self) -> None:
        if (probe := self._made("startupProbe")) is not None:
            started = asyncio.Event()

            def on_startup(passed: bool) -> None:
                if passed:
                    started.set()
                else:
                    self._end_container()

            startup = asyncio.create_task(probe.run(on_startup))
            try:
                await started.wait()
            finally:
                startup.cancel()
                await asyncio.wait([startup])
        self._status.set(started=True)
        readiness, liveness = self._made("readinessProbe"), self._made("livenessProbe")
        async with asyncio.TaskGroup() as probes:
            if readiness is None:
                self._status.set(ready=True)
            else:
                probes.create_task(readiness.run(lambda passed: self._status.set(ready=passed)))
            if liveness is not None:
                probes.create_task(liveness.run(lambda passed: None if passed else self._end_container()))

    def _made(self, name: str) -> Probe | None:
        if self._hollow or name not in self._spec:
            return None
        return Probe(self._spec[name], self._spec, self.pod_ip, self._http)

    def _end_container(self) -> None:
        """A probe has given up: a new start, not a new pod. Without grace, as nothing answers any more."""
        if not self._doomed.is_set():
            self._kill()

    async def _end_when_doomed(self) -> None:
        await self._doomed.wait()
        if self.pid is None:
            return
        assert self._process is not None
        self._process.terminate()
        metadata, spec = self.manifest["metadata"], self.manifest["spec"]
        grace_s = metadata.get("deletionGracePeriodSeconds", spec.get("terminationGracePeriodSeconds", 30))
        if self._status.verdict is not None:
            grace_s = 0  # a node in need does not wait
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), grace_s)
        self._kill()

    @property
    def _complete(self) -> bool:
        """True if its restartPolicy starts no further container."""
        policy = self.manifest["spec"].get("restartPolicy", "Always")
        state = self._status.container.state
        succeeded = isinstance(state, Terminated) and state.code == 0
        return policy == "Never" or (policy == "OnFailure" and succeeded)

    async def _stay_over(self) -> None:
        """Succeeded or Failed, until the object is deleted."""
        self._status.end()
        await self._doomed.wait()

    async def _crashed(self) -> None:
        """The first time it is started again at once, then with back-off."""
        if self._doomed.is_set():
            return
        wait_s = self._back_off_s
        self._back_off_s = min(max(BACK_OFF_S, self._back_off_s * 2), BACK_OFF_MAX_S)
        if wait_s:
            pod = f"{self.name}_{self.namespace}({self.uid})"
            message = f"back-off {wait_s:.0f}s restarting failed container={self._spec['name']} pod={pod}"
            self._status.becomes(Waiting("CrashLoopBackOff", message))
            await self._pause(wait_s)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._doomed.wait(), seconds)

    def _kill(self) -> None:
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def _finish(self) -> None:
        self._status.over = True
        shutil.rmtree(self._root, ignore_errors=True)
        if self._gone.is_set():
            return
        await self._status.write(self.manifest)
        if self._status.verdict is not None:
            return
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        await unless_deleted(lambda: self._api.delete(self._path, options))
