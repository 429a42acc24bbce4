"""Client and transport: requests, errors by response, and bounded times.

Against a small HTTP server; what a real API server does with it is in tests/cluster.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError, ErrorKind
from penstock_operator.kube.client import ClusterClient, LeaseClient
from penstock_operator.kube.credentials import ClusterConfigError, ClusterCredentials
from penstock_operator.kube.transport import Transport

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
POD = resources.PODS.path("ns", "p")
OBJECT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "ns", "name": "a"}}


class Server:
    """Answers by `handle`; `seen` are (method, path, query, content type, authorization, body)."""

    def __init__(self, directory: Path) -> None:
        self._config = directory / "kubeconfig"
        self.seen: list[tuple[str, str, dict[str, str], str, str, Any]] = []
        self.calls: list[tuple[str, str, str]] = []
        self.leads = True
        self.handle: Handler = answers({})
        self.port = 0
        self.transport: Transport

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        authorization = request.headers.get("Authorization", "")
        query = dict(request.query)
        parsed = json.loads(body) if body else None
        self.seen.append((request.method, request.path, query, request.content_type, authorization, parsed))
        return await self.handle(request)

    def write_config(self, user: dict[str, str]) -> None:
        cluster = {"server": f"http://127.0.0.1:{self.port}"}
        config = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self._config.write_text(yaml.safe_dump(config))

    async def credentials(self) -> ClusterCredentials:
        credentials = ClusterCredentials({"KUBECONFIG": str(self._config)})
        await credentials.load()
        return credentials

    def ended(self, verb: str, resource: str, code: str) -> None:
        self.calls.append((verb, resource, code))


def answers(body: Any, status: int = 200, **headers: str) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handle


def refuses(status: int, message: str = "no", **headers: str) -> Handler:
    return answers({"kind": "Status", "status": "Failure", "message": message, "code": status}, status, **headers)


@contextlib.asynccontextmanager
async def connected(directory: Path) -> AsyncIterator[tuple[Server, ClusterClient]]:
    server = Server(directory)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.receive)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    server.write_config({"token": "one"})
    server.transport = Transport(await server.credentials(), server.ended)
    await server.transport.open()
    yield server, ClusterClient(server.transport, may_write=lambda: server.leads)
    await server.transport.close()
    await runner.cleanup()


async def error_from(call: Awaitable[Any]) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await call
    return raised.value


async def test_client_applies_server_side_as_one_manager_with_force(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        server.handle = answers({"made": True})
        assert await cluster.apply(OBJECT) == {"made": True}
        path = "/api/v1/namespaces/ns/serviceaccounts/a"
        query = {"fieldManager": "penstock", "force": "true"}
        assert server.seen == [("PATCH", path, query, "application/apply-patch+yaml", "Bearer one", OBJECT)]
        assert server.calls == [("apply", "serviceaccounts", "200")]


async def test_client_applies_replicas_as_a_manager_of_its_own(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        await cluster.scale("ns", "main-worker", 3)
        ((method, path, query, _, _, body),) = server.seen
        assert (method, path) == ("PATCH", "/apis/apps/v1/namespaces/ns/deployments/main-worker/scale")
        assert query == {"fieldManager": "penstock-scaler", "force": "true"}
        assert body["spec"] == {"replicas": 3}
        assert server.calls == [("apply", "deployments/scale", "200")]


async def test_client_creates_a_secret_and_leaves_an_existing_one_alone(tmp_path: Path) -> None:
    secret = {"metadata": {"namespace": "ns", "name": "s"}, "stringData": {"a": "b"}}
    async with connected(tmp_path) as (server, cluster):
        await cluster.create_secret(secret)
        server.handle = refuses(409)
        await cluster.create_secret(secret)
        assert {one[:2] for one in server.seen} == {("POST", "/api/v1/namespaces/ns/secrets")}
        server.handle = refuses(403)
        assert (await error_from(cluster.create_secret(secret))).kind == "Forbidden"
        server.leads = False
        assert (await error_from(cluster.create_secret(secret))).kind == "Unavailable"
        assert len(server.seen) == 3


async def test_client_applies_a_status_to_its_subresource(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        await cluster.apply_status("ns", "main", {"replicas": 1})
        ((_, path, _, _, _, body),) = server.seen
        assert path == "/apis/penstock.dev/v1alpha1/namespaces/ns/modelroutes/main/status"
        assert body == {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "ModelRoute",
            "metadata": {"namespace": "ns", "name": "main"},
            "status": {"replicas": 1},
        }


async def test_client_lists_managed_objects_in_pages(tmp_path: Path) -> None:
    async def pages(request: web.Request) -> web.StreamResponse:
        more = "continue" not in request.query
        body = {"items": [{"page": 1 if more else 2}], "metadata": {"continue": "token" if more else ""}}
        return web.json_response(body)

    async with connected(tmp_path) as (server, cluster):
        server.handle = pages
        kind = {"apiVersion": "v1", "kind": "Pod"}
        assert await cluster.list(resources.PODS, "ns") == [{"page": 1} | kind, {"page": 2} | kind]
        assert [seen[2].get("labelSelector") for seen in server.seen] == [resources.MANAGED_BY] * 2
        assert [seen[2].get("continue") for seen in server.seen] == [None, "token"]
        await cluster.list(resources.MODEL_ROUTES, "ns")
        assert "labelSelector" not in server.seen[-1][2]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "Invalid"),
        (401, "Forbidden"),
        (403, "Forbidden"),
        (404, "NotFound"),
        (405, "Invalid"),
        (409, "Conflict"),
        (410, "Conflict"),
        (422, "Invalid"),
        (429, "TooManyRequests"),
        (500, "Failed"),
        (503, "Unavailable"),
    ],
)
async def test_client_maps_every_refusal_to_an_error_kind_with_the_servers_text(
    tmp_path: Path, status: int, kind: ErrorKind
) -> None:
    async with connected(tmp_path) as (server, cluster):
        server.handle = refuses(status, "the reason")
        error = await error_from(cluster.apply(OBJECT))
        assert (error.kind, str(error)) == (kind, "the reason")
        assert server.calls == [("apply", "serviceaccounts", str(status))]


async def test_client_maps_a_500_of_an_unknown_field_to_invalid(
    tmp_path: Path,
) -> None:
    message = (
        "failed to create typed patch object (team/main-worker; apps/v1, Kind=Deployment): "
        ".spec.template.spec.tolerations[0].tolerationSecond: field not declared in schema"
    )
    async with connected(tmp_path) as (server, cluster):
        server.handle = refuses(500, message)
        error = await error_from(cluster.apply(OBJECT))
        assert (error.kind, str(error)) == ("Invalid", message)


async def test_client_reports_the_http_status_of_a_response_without_a_status_object(tmp_path: Path) -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<html>\x00 bad gateway")

    async with connected(tmp_path) as (server, cluster):
        server.handle = page
        assert str(await error_from(cluster.apply(OBJECT))) == "HTTP status 502"


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
    asked, over = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        asked.set()
        await over.wait()
        return web.Response()

    async with connected(tmp_path) as (server, _cluster):
        server.handle = hang
        error = await error_from(LeaseClient(server.transport).read_lease("ns", "l", timeout_s=0.05))
        assert asked.is_set()
        assert error.kind == "Unavailable"
        over.set()


async def test_client_writes_nothing_but_the_lease_without_the_lease(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        server.leads = False
        for write in (
            cluster.apply(OBJECT),
            cluster.scale("ns", "d", 1),
            cluster.apply_status("ns", "r", {}),
            cluster.annotate_pod("ns", "p", {"a": "b"}),
            cluster.delete(resources.DISRUPTION_BUDGETS, "ns", "b"),
            cluster.create_event({"metadata": {"namespace": "ns"}}),
        ):
            assert (await error_from(write)).kind == "Unavailable"
        assert server.seen == []
        await LeaseClient(server.transport).write_lease({"metadata": {"namespace": "ns", "name": "l"}}, timeout_s=3)
        assert len(server.seen) == 1


async def test_client_treats_a_missing_object_as_deleted_and_a_missing_lease_as_none(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        server.handle = refuses(404)
        await cluster.delete(resources.DISRUPTION_BUDGETS, "ns", "b")
        assert await LeaseClient(server.transport).read_lease("ns", "l", timeout_s=3) is None
        server.handle = refuses(403)
        assert (await error_from(cluster.delete(resources.DISRUPTION_BUDGETS, "ns", "b"))).kind == "Forbidden"
        assert (await error_from(LeaseClient(server.transport).read_lease("ns", "l", timeout_s=3))).kind == "Forbidden"


async def test_client_creates_a_lease_or_replaces_the_version_that_was_read(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, _cluster):
        await LeaseClient(server.transport).write_lease({"metadata": {"namespace": "ns", "name": "l"}}, timeout_s=3)
        known = {"metadata": {"namespace": "ns", "name": "l", "resourceVersion": "5"}}
        await LeaseClient(server.transport).write_lease(known, timeout_s=3)
        root = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
        assert [seen[:2] for seen in server.seen] == [("POST", root), ("PUT", f"{root}/l")]
        assert server.seen[1][5] == known


async def test_client_sets_and_removes_an_annotation(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        await cluster.annotate_pod("ns", "p", {"cost": "1", "old": None})
        ((method, path, _, content_type, _, body),) = server.seen
        assert (method, path, content_type) == ("PATCH", POD, "application/merge-patch+json")
        assert body == {"metadata": {"annotations": {"cost": "1", "old": None}}}
        assert server.calls == [("patch", "pods", "200")]


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
