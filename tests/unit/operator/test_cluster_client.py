"""The client of the API server: its requests, and errors by response. A real API server is in tests/cluster."""

from pathlib import Path

import pytest
from aiohttp import web
from unit.support.api_server import OBJECT, answers, connected, error_from, refuses

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ErrorKind
from penstock_operator.kube.client import LeaseClient

POD = resources.PODS.path("ns", "p")


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
        lease = {"metadata": {"namespace": "ns", "name": "l", "resourceVersion": "5"}}
        await LeaseClient(server.transport).write_lease(lease, timeout_s=3)
        root = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
        assert [seen[:2] for seen in server.seen] == [("POST", root), ("PUT", f"{root}/l")]
        assert server.seen[1][5] == lease


async def test_client_sets_and_removes_an_annotation(tmp_path: Path) -> None:
    async with connected(tmp_path) as (server, cluster):
        await cluster.annotate_pod("ns", "p", {"cost": "1", "old": None})
        ((method, path, _, content_type, _, body),) = server.seen
        assert (method, path, content_type) == ("PATCH", POD, "application/merge-patch+json")
        assert body == {"metadata": {"annotations": {"cost": "1", "old": None}}}
        assert server.calls == [("patch", "pods", "200")]
