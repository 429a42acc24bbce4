"""Readiness of a gateway, and its reason."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.expect import error_of, ids_of
from harness.nats_server import NatsServer
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until
from harness.route_spec import completion

from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_broker.stores.kv_watch import SAME_BUCKET_S
from penstock_contract import subjects

READY: dict[str, Any] = {"ready": True, "reason": "ok"}
NO_BROKER = {"ready": True, "reason": "there is no connection to the message broker"}
NO_CATALOGUE = {"ready": False, "reason": "the catalogue of routes is not loaded"}
LOST_CATALOGUE = {**NO_CATALOGUE, "ready": True}


@contextlib.asynccontextmanager
async def gateway(nats: NatsServer, directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    env = {"PENSTOCK_NATS_URL": nats.url, "PENSTOCK_PORT": str(port)}
    process = Process.python("gateway", "penstock_gateway", directory / "gateway.log", env)
    async with plain_client(f"http://127.0.0.1:{port}") as client:
        try:
            yield client
        finally:
            await process.end()


async def reports(client: httpx.AsyncClient, answer: dict[str, Any], timeout_s: float = 10) -> None:
    """Wait until `/ready` does, with the status that belongs to it."""

    async def logged() -> bool:
        with contextlib.suppress(httpx.TransportError):
            response = await client.get("/ready")
            ids_of(response)
            assert response.status_code == (200 if response.json()["ready"] else 503)
            return bool(response.json() == answer)
        return False

    await until(logged, f"/ready returns {answer}", timeout_s=timeout_s)
    assert (await client.get("/health")).status_code == 200, "alive is not ready"


async def test_gateway_that_never_reached_its_broker_is_not_ready(tmp_path: Path) -> None:
    """A roll-out must not replace gateways that serve by gateways with a wrong address or credentials."""
    nats = NatsServer(tmp_path)
    await nats.process.end()
    async with gateway(nats, tmp_path) as client:
        await reports(client, {**NO_BROKER, "ready": False})


@pytest.mark.parametrize("away", [False, True], ids=["while it is watched", "while the broker is away"])
async def test_gateway_is_ready_only_with_a_catalogue(tmp_path: Path, away: bool) -> None:
    nats = NatsServer(tmp_path)
    await nats.listening()
    connection = Connection(nats.url, "test", inbox_prefix="_INBOX_test")
    await connection.start()
    try:
        async with gateway(nats, tmp_path) as client:
            await reports(client, NO_CATALOGUE)
            await ControlPlane(connection).prepare()
            for path, body in (
                ("/v1/models", None),
                ("/v1/chat/completions", completion()),
                ("/api/chat", completion()),
            ):
                response = await (client.get(path) if body is None else client.post(path, json=body))
                error_of(response, 503, "model_not_ready", retry_after=1)
            await reports(client, NO_CATALOGUE)
            await ControlPlane(connection).mark_complete()
            await reports(client, READY)
            error_of(await client.post("/api/chat", json=completion()), 404, "model_not_found", param="model")
            if away:
                nats.kill()
                await reports(client, NO_BROKER)
                nats.start()
                await until(lambda: connection.connected, "we are back")
            else:
                await connection.client.jetstream().delete_key_value(subjects.CATALOGUE_BUCKET)
            await reports(client, LOST_CATALOGUE, SAME_BUCKET_S + 5)
            await ControlPlane(connection).prepare()
            await reports(client, READY)
    finally:
        await connection.close()
        await nats.process.end()
