"""Faults that keep a route's pods from serving, and their cures."""

import os
import signal
import sys
from collections.abc import Awaitable
from typing import Any

import httpx
from harness.faults.scene import Fault, Scene
from harness.kubernetes.api import NODES, QUOTAS, SECRETS, Resource
from harness.kubernetes.operator_process import WORKER
from harness.kubernetes.pod_image import Image
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until

LIMIT_RANGES = Resource("v1", "limitranges")
PRIORITY_CLASSES = Resource("scheduling.k8s.io/v1", "priorityclasses")
WITH_KEY = {"name": "openai", "type": "OpenAI", "baseURL": "https://models.example/v1"}


async def image_missing(scene: Scene) -> None:
    image = f"test/none:{scene.name}"
    await scene.inject(scene.create(worker={"image": image}))
    await scene.reports("Ready", "False ImagePullFailed", f"{image}: not found")
    await scene.cure("the image is pushed", scene.kubelet.push(image, WORKER))
    await scene.recovers()


async def image_misspelled(scene: Scene) -> None:
    await scene.inject(scene.create(worker={"image": "test/Worker:1"}))
    await scene.reports("WorkersReady", "False ImagePullFailed", "must be lowercase")
    await scene.cure("the route names another image", scene.change(worker={"image": scene.site.image}))
    await scene.recovers()


async def secret_missing(scene: Scene) -> None:
    ref = {"name": scene.name, "key": "token"}
    await scene.inject(scene.create(providers=[{**WITH_KEY, "secretKeyRef": ref}]))
    await scene.reports("ResolvedRefs", "False SecretNotFound", f'secret "{scene.name}" not found')
    secret = {"metadata": {"name": scene.name}, "stringData": {"token": "sk-of-nobody"}}
    await scene.cure("the secret is made", scene.api.create(SECRETS.at(scene.namespace), secret))
    await scene.recovers()


async def key_missing(scene: Scene) -> None:
    secret = {"metadata": {"name": scene.name}, "stringData": {"other": "sk-of-nobody"}}
    await scene.api.create(SECRETS.at(scene.namespace), secret)
    ref = {"name": scene.name, "key": "token"}
    await scene.inject(scene.create(providers=[{**WITH_KEY, "secretKeyRef": ref}]))
    await scene.reports("ResolvedRefs", "False SecretKeyNotFound", "couldn't find key token in Secret")
    change = {"stringData": {"token": "sk-of-nobody"}}
    await scene.cure("the key is added", scene.api.patch(SECRETS.at(scene.namespace, scene.name), change))
    await scene.recovers()


async def _crashes(scene: Scene, image: Image, words: str) -> None:
    name = f"test/crash:{scene.name}"
    await scene.kubelet.push(name, image)
    await scene.inject(scene.create(worker={"image": name}))
    await scene.reports("Ready", "False CrashLoop", words)
    await scene.cure("the image is mended", scene.kubelet.push(name, WORKER))
    await scene.recovers()


async def crash_loop(scene: Scene) -> None:
    await _crashes(scene, Image({"penstock": [sys.executable, "-c", "raise SystemExit(3)"]}), "exited with code 3")


async def killed_in_a_loop(scene: Scene) -> None:
    # As the kernel does when a container takes more memory than it may.
    image = Image({"penstock": ["/bin/sh", "-c", "kill -9 $$"]})
    await _crashes(scene, image, "exited with code 137")


async def not_our_image(scene: Scene) -> None:
    await _crashes(scene, Image({"other": ["/bin/true"]}), "executable file not found")


async def no_room(scene: Scene) -> None:
    await scene.inject(scene.create(worker={"resources": {"requests": {"cpu": "1000"}}}))
    await scene.reports("Ready", "False Unschedulable", "Insufficient cpu")
    await scene.cure("the route asks for less", scene.change(worker={"resources": {"requests": {"cpu": "10m"}}}))
    await scene.recovers()


async def no_such_node(scene: Scene) -> None:
    label = f"example.com/{scene.name}"
    await scene.inject(scene.create(worker={"nodeSelector": {label: "yes"}}))
    await scene.reports("Ready", "False Unschedulable", "didn't match Pod's node affinity/selector")
    node = NODES.at(name=scene.kubelet.node)
    await scene.cure("a node has the label", scene.api.patch(node, {"metadata": {"labels": {label: "yes"}}}))
    await scene.recovers()


async def quota_used_up(scene: Scene) -> None:
    path = QUOTAS.at(scene.namespace, "pods")
    await scene.api.create(QUOTAS.at(scene.namespace), {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "0"}}})
    await scene.api.until(path, lambda quota: quota.get("status", {}).get("hard"), "the quota is in force")
    await scene.inject(scene.create())
    await scene.reports("WorkersReady", "False QuotaExceeded", "exceeded quota: pods, requested: pods=1")
    await scene.cure("the quota is lifted", scene.api.delete(path))
    await scene.recovers()


async def beyond_the_limit_range(scene: Scene) -> None:
    path = LIMIT_RANGES.at(scene.namespace, "small")
    limits = {"limits": [{"type": "Container", "max": {"cpu": "100m"}}]}
    await scene.api.create(LIMIT_RANGES.at(scene.namespace), {"metadata": {"name": "small"}, "spec": limits})
    resources = {"requests": {"cpu": "200m"}, "limits": {"cpu": "200m"}}
    await scene.inject(scene.create(worker={"resources": resources}))
    await scene.reports("WorkersReady", "False PodForbidden", "maximum cpu usage per Container is 100m")
    await scene.cure("the limit is lifted", scene.api.delete(path))
    await scene.recovers()


async def priority_class_missing(scene: Scene) -> None:
    await scene.inject(scene.create(worker={"priorityClassName": scene.name}))
    await scene.reports("WorkersReady", "False PodForbidden", f"no PriorityClass with name {scene.name} was found")
    made = {"metadata": {"name": scene.name}, "value": 1000}
    await scene.cure("the class is made", scene.api.create(PRIORITY_CLASSES.at(), made))
    await scene.recovers()


async def worker_killed(scene: Scene) -> None:
    await scene.serve()
    os.kill(await _pid(scene), signal.SIGKILL)
    await scene.inject()
    await scene.reports("WorkersReady", "False Starting")
    await scene.recovers()


async def worker_frozen(scene: Scene) -> None:
    await scene.serve()
    pid = await _pid(scene)
    os.kill(pid, signal.SIGSTOP)
    await scene.inject()
    await scene.reports("Ready", "False NotReady", "containers with unready status: [worker]")
    os.kill(pid, signal.SIGCONT)
    await scene.cure("it runs on")
    await scene.recovers()


async def worker_evicted(scene: Scene) -> None:
    await scene.serve()
    (pod,) = await scene.pods()
    await scene.inject(scene.kubelet.evict(scene.namespace, pod["metadata"]["name"]))
    await scene.reports("WorkersReady", "False Evicted", "The node was low on resource: memory")
    await scene.recovers()


async def client_waits(scene: Scene) -> None:
    image = f"test/none:{scene.name}"
    url = await _gateway(scene)
    async with plain_client(url, timeout=30) as client:

        async def listens() -> bool:
            try:
                return (await client.get("/health")).is_success
            except httpx.TransportError:
                return False

        async def knows() -> bool:
            return scene.name in (await client.get("/v1/models")).text

        def request() -> Awaitable[httpx.Response]:
            question: dict[str, Any] = {"model": scene.name, "messages": [{"role": "user", "content": "hi"}]}
            return client.post("/v1/chat/completions", json=question)

        await until(listens, "the gateway listens")
        await scene.inject(scene.create(worker={"image": image}, limits={"queueTimeoutSeconds": 3}))
        await until(knows, "the gateway lists the route")
        response = await request()
        assert response.status_code == 503, response.text
        message = response.json()["error"]["message"]
        assert "the image of its workers cannot be pulled (ImagePullFailed)" in message, message
        scene.record_report(f"HTTP 503 queue_timeout: {message}")
        await scene.cure("the image is pushed", scene.kubelet.push(image, WORKER))
        await scene.recovers()
        response = await request()
        assert response.status_code == 200, response.text
        scene.clear()


async def _pid(scene: Scene) -> int:
    (pod,) = await scene.pods()
    facts = await scene.kubelet.pods(scene.namespace)
    (pid,) = [one.pid for one in facts if one.name == pod["metadata"]["name"]]
    assert pid is not None
    return pid


async def _gateway(scene: Scene) -> str:
    """A gateway at the site's broker; it ends with us."""
    port = free_port()
    env = {"PENSTOCK_NATS_URL": scene.site.nats.url, "PENSTOCK_PORT": str(port)}
    command = [sys.executable, "-m", "penstock_gateway"]
    scene.site.processes.append(Process("gateway", command, scene.site.directory / "gateway.log", env, leashed=True))
    return f"http://127.0.0.1:{port}"


FAULTS = (
    Fault("the image cannot be pulled", image_missing),
    Fault("the image's name is not valid", image_misspelled),
    Fault("a secret is missing", secret_missing),
    Fault("a secret's key is missing", key_missing),
    Fault("workers end soon after they start", crash_loop),
    Fault("workers are killed for their memory", killed_in_a_loop),
    Fault("the image has no worker in it", not_our_image),
    Fault("no node has the CPU", no_room),
    Fault("no node has the label", no_such_node),
    Fault("the quota of pods is used up", quota_used_up, extra="quota"),
    Fault("a LimitRange forbids the pod", beyond_the_limit_range, extra="limits"),
    Fault("the PriorityClass is missing", priority_class_missing),
    Fault("a worker is killed", worker_killed),
    Fault("a worker hangs", worker_frozen),
    Fault("a worker is evicted", worker_evicted),
    Fault("a client waits for a worker that cannot start", client_waits),
)
