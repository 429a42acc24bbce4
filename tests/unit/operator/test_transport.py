"""The transport to the API server: retry times, bounded waits, and replaced credentials."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from unit.support.api_server import OBJECT, answers, connected, error_from, refuses

from penstock_operator.kube import resources
from penstock_operator.kube.client import ClusterClient, LeaseClient
from penstock_operator.kube.credentials import ClusterConfigError, ClusterCredentials
from penstock_operator.kube.transport import Transport


async def test_transport_applies_retry_after_to_every_call_but_the_lease(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        server.handle = refuses(429, Retry_After="3600")
        error = await error_from(cluster.apply(OBJECT))
        assert error.retry_after_s == 3600
        server.handle = answers({})
        server.seen.clear()
        error = await error_from(cluster.list(resources.PODS, "ns"))
        assert error.kind == "TooManyRequests"
        assert error.retry_after_s is not None
        assert 3500 < error.retry_after_s <= 3600
        assert server.seen == []
        await LeaseClient(server.transport).read_lease("ns", "l", timeout_s=3)
        assert len(server.seen) == 1


async def test_transport_reads_the_retry_time_of_the_body_without_a_header(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        server.handle = answers({"message": "later", "details": {"retryAfterSeconds": 7}}, 503)
        assert (await error_from(cluster.apply(OBJECT))).retry_after_s == 7


async def test_transport_reports_an_unreachable_server_as_unavailable(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, _):
        server.port = 1
        server.write_config({"token": "one"})
        transport = Transport(await server.credentials(), server.ended)
        await transport.open()
        cluster = ClusterClient(transport, may_write=lambda: True)
        assert (await error_from(cluster.apply(OBJECT))).kind == "Unavailable"
        assert transport.answered_at is None
        assert [call[:2] for call in server.calls] == [("apply", "serviceaccounts")]
        await transport.close()


async def test_transport_reports_a_silent_server_as_unavailable_in_time(tmp_path: Path) -> None:
    requested, over = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        requested.set()
        await over.wait()
        return web.Response()

    async with connected(tmp_path) as (server, _cluster):
        server.handle = hang
        error = await error_from(LeaseClient(server.transport).read_lease("ns", "l", timeout_s=0.05))
        assert requested.is_set()
        assert error.kind == "Unavailable"
        over.set()


async def test_credentials_read_a_replaced_token_without_a_restart(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    async with connected(tmp_path) as (server, _):
        server.write_config({"tokenFile": str(token)})
        credentials = await server.credentials()
        assert await credentials.authorization() == "Bearer first"
        token.write_text("second")
        assert await credentials.authorization() == "Bearer first"
        credentials._loaded_at = -1000.0
        assert await credentials.authorization() == "Bearer second"


@pytest.mark.parametrize("text", [None, "", "just words", "{[", "clusters: []"], ids=repr)
async def test_credentials_report_an_invalid_kubeconfig_in_one_sentence(tmp_path: Path, text: str | None) -> None:
    config = tmp_path / "kubeconfig"
    if text is not None:
        config.write_text(text)
    with pytest.raises(ClusterConfigError, match="kubeconfig: "):
        await ClusterCredentials({"KUBECONFIG": str(config)}).load()


async def test_credentials_report_a_missing_service_account_in_one_sentence() -> None:
    with pytest.raises(ClusterConfigError, match="service account"):
        await ClusterCredentials({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}).load()


async def test_credentials_keep_the_last_token_of_a_deleted_kubeconfig(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, _):
        credentials = await server.credentials()
        (tmp_path / "kubeconfig").unlink()
        credentials._loaded_at = -1000.0
        assert await credentials.authorization() == "Bearer one"
