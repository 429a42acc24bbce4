"""The broker's users on real pods: a client without credentials is rejected, and each role has its own part only."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

from harness.kubernetes.api import DEPLOYMENTS, SECRETS, Api, Manifest
from harness.kubernetes.model_routes import model_route
from harness.kubernetes.node.installation import Installation
from harness.nats_access import lets_in, logged_in, refusals_of_gateway, refusals_of_operator, refusals_of_worker

from penstock_contract import subjects
from penstock_operator.nats import keys as nats_keys

ROUTE = "users"


async def test_nats_credentials_are_limited_to_their_role(
    release: Installation, api: Api, route: Callable[[Manifest], Awaitable[Manifest]], tmp_path: Path
) -> None:
    namespace = release.namespace
    await route(model_route(ROUTE, models=("users-model",)))
    async with await release.client() as client:
        body = {"model": "users-model", "messages": [{"role": "user", "content": "hi"}]}
        assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
    broker = "nats://" + await release.cluster.reach(namespace, f"{release.name}-nats", 4222)
    assert not await lets_in(broker, None)

    async def kept(secret: str, file: str) -> str:
        """The path of a file with what a Secret has."""
        made = await api.get(SECRETS.at(namespace, secret))
        (path := tmp_path / file).write_bytes(base64.b64decode(made["data"][file]))
        return str(path)

    deployment = await api.get(DEPLOYMENTS.at(namespace, f"{ROUTE}-worker"))
    volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    worker = await kept(volumes["nats"]["secret"]["secretName"], nats_keys.WORKER)
    async with logged_in(broker, worker, subjects.worker_inbox(namespace, ROUTE)) as user:
        assert await user.granted(refusals_of_worker(namespace, ROUTE, "other")) == []
        assert await user.publishes(subjects.reply("gw-0", namespace, ROUTE))
    gateway = await kept(f"{release.name}-nats-keys", nats_keys.GATEWAY)
    async with logged_in(broker, gateway, subjects.GATEWAY_INBOX) as user:
        assert await user.granted(refusals_of_gateway(namespace, ROUTE)) == []
    operator = await kept(f"{release.name}-nats-keys", nats_keys.OPERATOR)
    async with logged_in(broker, operator, subjects.OPERATOR_INBOX) as user:
        assert await user.granted(refusals_of_operator(namespace, ROUTE)) == []


async def test_nats_rejected_no_needed_operation(release: Installation) -> None:
    for component in ("gateway", "operator"):
        logged = await release.kubectl("logs", f"--selector=app.kubernetes.io/component={component}", "--tail=-1")
        assert "broker.connected" in logged, component
        assert "broker.not_permitted" not in logged, component
