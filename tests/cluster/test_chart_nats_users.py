"""The broker's users as the chart makes them: keys at the installation, a user per role and per route."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from harness.kubernetes.api import DEPLOYMENTS, ROUTES, SECRETS, Api, Resource
from harness.kubernetes.chart_release import Release
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.model_routes import model_route, served
from harness.nats_access import lets_in, logged_in, refusals_of_gateway, refusals_of_operator, refusals_of_worker
from harness.processes import until

from penstock_contract import subjects
from penstock_operator.nats import keys as nats_keys

JOBS = Resource("batch/v1", "jobs")
SMALL: dict[str, Any] = {
    "gateway": {"replicas": 1},
    "operator": {"replicas": 1},
    "nats": {"persistence": {"enabled": False}},
}
KEYS = "nats-keys"

pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture
async def release(cluster: Cluster, kubelet: Kubelet, api: Api, namespace: str, tmp_path: Path) -> Release:
    return await Release.prepare(cluster, kubelet, api, namespace, tmp_path)


async def worker_secret(api: Api, namespace: str, route: str = "main") -> dict[str, Any]:
    """The Secret that the route's workers mount."""
    deployment = await api.get(DEPLOYMENTS.at(namespace, f"{route}-worker"))
    (name,) = [
        volume["secret"]["secretName"]
        for volume in deployment["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "nats"
    ]
    return await api.get(SECRETS.at(namespace, name))


async def streams(release: Release) -> bool:
    async with await release.client() as client:
        body = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}
        return (await client.post("/v1/chat/completions", json=body)).status_code == 200


async def test_chart_nats_credentials_are_limited_to_their_role(
    release: Release, api: Api, namespace: str, tmp_path: Path
) -> None:
    await release.install(**SMALL)
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    assert await streams(release)

    async def written(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    secret = await worker_secret(api, namespace)
    assert secret["immutable"] is True
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ModelRoute", "main")
    worker = await written("worker", base64.b64decode(secret["data"][nats_keys.WORKER]).decode())
    inbox = subjects.worker_inbox(namespace, "main")
    async with logged_in(release.broker, worker, inbox) as user:
        assert await user.granted(refusals_of_worker(namespace, "main", "other")) == []
        assert await user.publishes(subjects.reply("gw-0", namespace, "main"))
    gateway = await written("gateway", await release.secret(nats_keys.GATEWAY, KEYS))
    async with logged_in(release.broker, gateway, subjects.GATEWAY_INBOX) as user:
        assert await user.granted(refusals_of_gateway(namespace, "main")) == []
    operator = await written("operator", await release.secret(nats_keys.OPERATOR, KEYS))
    async with logged_in(release.broker, operator, subjects.OPERATOR_INBOX) as user:
        assert await user.granted(refusals_of_operator(namespace, "main")) == []
    assert not await lets_in(release.broker, None)
    for pod in await release.pods():
        files = [item["key"] for volume in pod["spec"]["volumes"] for item in _items(volume)]
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        assert nats_keys.ROOT not in files
        assert (nats_keys.SIGNING in files) == (component == "operator")


def _items(volume: dict[str, Any]) -> list[dict[str, Any]]:
    """The mounted keys of Secrets."""
    sources = [volume, *volume.get("projected", {}).get("sources", [])]
    return [item for source in sources for item in source.get("secret", {}).get("items", [])]


async def test_chart_nats_keys_survive_upgrades_rollbacks_and_a_new_installation(
    release: Release, namespace: str
) -> None:
    await release.install(**SMALL)
    made = await release.secret(nats_keys.ROOT, KEYS)
    await release.upgrade(**SMALL, commonLabels={"team": "ai"})
    await release.helm("rollback", release.name, "1", "--wait", namespace=namespace)
    assert await release.secret(nats_keys.ROOT, KEYS) == made
    await release.helm("uninstall", release.name, "--wait", namespace=namespace)
    await release.install(**SMALL)
    assert await release.secret(nats_keys.ROOT, KEYS) == made


async def test_chart_nats_rotation_renews_all_credentials_and_the_workers(
    release: Release, api: Api, namespace: str
) -> None:
    await release.install(**SMALL)
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    before = await worker_secret(api, namespace)
    root = json.loads(await release.secret(nats_keys.ROOT, KEYS))

    rotated = {**SMALL, "nats": {**SMALL["nats"], "auth": {"rotation": "2027"}}}
    await release.upgrade(**rotated)
    after = json.loads(await release.secret(nats_keys.ROOT, KEYS))
    assert after["account"] == root["account"]
    assert after["signing_seeds"][1:] == root["signing_seeds"]

    async def renewed() -> bool:
        return (await worker_secret(api, namespace))["metadata"]["name"] != before["metadata"]["name"]

    await until(renewed, "the workers have other credentials")
    await until(lambda: streams(release), "the route answers")


async def test_operator_creates_a_deleted_secret_again_for_a_waiting_pod(
    release: Release, api: Api, namespace: str
) -> None:
    await release.install(**SMALL)
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    secret = await worker_secret(api, namespace)
    await api.delete(SECRETS.at(namespace, secret["metadata"]["name"]))
    async with await release.client() as client:
        # From zero: its first worker finds nothing to mount.
        body = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}
        assert (await client.post("/v1/chat/completions", json=body, timeout=60)).status_code == 200
    assert (await worker_secret(api, namespace))["data"] == secret["data"]
