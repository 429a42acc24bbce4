"""The chart with an external broker: one without and one with authentication."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from harness.kubernetes.api import ROUTES, SECRETS, Api
from harness.kubernetes.chart_release import Release
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.model_routes import model_route, served
from harness.nats_access import lets_in
from harness.nats_server import NatsServer
from harness.nats_users import UID, NatsUsers

from penstock_operator.nats.keys import GATEWAY, OPERATOR, WORKER
from penstock_operator.nats.keys_command import secret_of

pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture
async def release(cluster: Cluster, kubelet: Kubelet, api: Api, namespace: str, tmp_path: Path) -> Release:
    return await Release.prepare(cluster, kubelet, api, namespace, tmp_path)


@pytest_asyncio.fixture
async def pending(tmp_path: Path) -> AsyncIterator[tuple[NatsServer, NatsUsers]]:
    """A broker that requires credentials, and their issuer."""
    directory = tmp_path / "broker"
    directory.mkdir()
    users = NatsUsers(directory)
    server = NatsServer(directory, users)
    try:
        await server.listening()
        assert not await lets_in(server.url, None)
        yield server, users
    finally:
        await server.process.end()


async def installed(release: Release, api: Api, server: NatsServer, **auth: Any) -> None:
    """Returns when a route is served by way of that broker, and of no other."""
    nats = {"enabled": False, "external": {"url": server.url}, "auth": auth}
    await release.install(gateway={"replicas": 1}, operator={"replicas": 1}, nats=nats)
    assert not await release.pods("nats")
    await api.create(ROUTES.at(release.namespace), model_route())
    await api.until(ROUTES.at(release.namespace, "main"), served, "the route is ready")


async def answer(release: Release) -> str:
    async with await release.client() as client:
        logged = await client.post("/api/generate", json={"prompt": "hi"})
    return logged.raise_for_status().text


async def test_chart_external_broker_without_credentials_carries_the_stream(
    release: Release, api: Api, nats: NatsServer
) -> None:
    await installed(release, api, nats)

    assert (await answer(release)).endswith("data: [DONE]\n\n")


async def test_chart_external_broker_with_keys_accepts_gateway_operator_and_workers(
    release: Release, api: Api, namespace: str, pending: tuple[NatsServer, NatsUsers]
) -> None:
    server, users = pending
    # The output of `penstock nats-keys`, for external secret stores.
    await api.create(SECRETS.at(namespace), secret_of(users.keys.files(), namespace, "of-mine"))

    await installed(release, api, server, existingSecret="of-mine")

    assert (await answer(release)).endswith("data: [DONE]\n\n")


async def test_chart_external_broker_without_keys_has_one_user_for_all_workers(
    release: Release, api: Api, namespace: str, pending: tuple[NatsServer, NatsUsers]
) -> None:
    server, users = pending
    files = {name: text for name, text in users.keys.files().items() if name in {OPERATOR, GATEWAY}}
    await api.create(SECRETS.at(namespace), {"metadata": {"name": "of-mine"}, "stringData": files})
    worker = users.keys.signing_key.of_workers(namespace, "main", UID)
    of_workers = {"metadata": {"name": "of-workers"}, "stringData": {WORKER: worker}}
    await api.create(SECRETS.at(namespace), of_workers)

    await installed(release, api, server, existingSecret="of-mine", workerSecret="of-workers")

    assert (await answer(release)).endswith("data: [DONE]\n\n")
