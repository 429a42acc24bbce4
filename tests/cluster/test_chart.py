"""The chart on a real API server: real Helm, real admission, its own pods as processes on the pocket node."""

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.kubernetes.api import DEPLOYMENTS, NAMESPACES, ROUTES, SECRETS, Api, Resource
from harness.kubernetes.chart_answers import PACED, answer, served, tokens
from harness.kubernetes.chart_release import Release
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubectl import Kubectl, KubectlError
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.model_routes import condition, model_route
from harness.processes import until

VOLUMES = Resource("v1", "persistentvolumes")
CLAIMS = Resource("v1", "persistentvolumeclaims")
CRDS = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io/v1", "clusterroles")
RESTRICTED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}

pytestmark = pytest.mark.timeout(180)

OF_THE_CLUSTER = pytest.mark.xdist_group("what a chart has once in a cluster")
"""CRD and ClusterRoles: the end of one test would delete them while another uses them."""


@pytest_asyncio.fixture(autouse=True)
async def volume(api: Api) -> AsyncIterator[None]:
    """Room for one broker: this cluster has no provisioner."""
    name = f"test-{secrets.token_hex(4)}"
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    await api.create(VOLUMES.at(), {"metadata": {"name": name}, "spec": spec})
    yield
    await api.delete(VOLUMES.at(name=name))


@pytest_asyncio.fixture
async def release(cluster: Cluster, kubelet: Kubelet, api: Api, namespace: str, tmp_path: Path) -> Release:
    await api.patch(NAMESPACES.at(name=namespace), RESTRICTED)
    return await Release.prepare(cluster, kubelet, api, namespace, tmp_path)


async def test_chart_runs_in_a_restricted_namespace_and_streams(
    release: Release, api: Api, kubectl: Kubectl, namespace: str
) -> None:
    notes = await release.install()
    assert "helm test penstock" in notes
    assert f"svc/{release.name}-gateway 8080:80" in notes

    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    assert tokens(await answer(release)) == 4
    # The notes' own command, with the real kubectl.
    assert f"kubectl -n {namespace} get secret {release.name}-auth -o jsonpath='{{.data.first-key}}'" in notes
    read = await kubectl("-n", namespace, "get", "secret", f"{release.name}-auth", "-o", "jsonpath={.data.first-key}")
    assert base64.b64decode(read).decode() == await release.secret("first-key")

    tested = await release.helm("test", release.name, namespace=namespace)
    assert "Phase:          Succeeded" in tested
    # The test's own route goes with it.
    assert await api.find(ROUTES.at(namespace, f"{release.name}-test")) is None


async def test_chart_upgrade_rolls_only_the_gateways_and_ends_no_stream(
    release: Release, api: Api, namespace: str
) -> None:
    await release.install()
    await api.create(ROUTES.at(namespace), model_route(providers=[PACED]))
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    before = {pod["metadata"]["uid"] for pod in await release.pods()}
    streaming = asyncio.create_task(answer(release))

    await release.upgrade("--set", "gateway.env[0].name=COLOUR", "--set", "gateway.env[0].value=green")

    assert tokens(await streaming) == 60
    kept = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in await release.pods()
        if pod["metadata"]["uid"] in before
    }
    assert kept == {"nats", "operator"}
    assert tokens(await answer(release)) == 60

    await release.helm("rollback", release.name, "1", "--wait", namespace=namespace)
    (deployment,) = await api.list(
        "/apis/apps/v1/namespaces/" + namespace + "/deployments", labelSelector="app.kubernetes.io/component=gateway"
    )
    assert "COLOUR" not in {
        variable["name"] for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }


async def test_chart_rejects_requests_without_a_key_but_serves_probes_and_metrics(release: Release) -> None:
    await release.install(gateway={"replicas": 1}, operator={"replicas": 1})
    async with await release.client() as client, await release.admin() as admin:
        del client.headers["authorization"]
        refused = await client.post("/v1/chat/completions", json={"model": "simulated", "messages": []})
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert (await client.get("/metrics")).status_code == 401
        assert [(await client.get(path)).status_code for path in ("/health", "/ready")] == [200, 200]
        assert [key["name"] for key in (await admin.get("/admin/keys")).json()["keys"]] == ["first"]
        del admin.headers["authorization"]
        assert (await admin.get("/admin/keys")).status_code == 401
        scraped = await admin.get("/metrics")
        assert "penstock_errors_total" in scraped.text


@pytest.mark.parametrize("program", ["helm", "helm3"])
async def test_chart_keeps_first_key_and_token_over_upgrade_rollback_and_installation(
    release: Release, api: Api, namespace: str, program: str
) -> None:
    release.helm = release.helm.by(program)
    small = {"gateway": {"replicas": 1}, "operator": {"replicas": 1}}

    async def kept() -> tuple[str, str]:
        return await release.secret("first-key"), await release.secret("admin-token")

    await release.install(**small)
    made = await kept()
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    assert tokens(await answer(release)) == 4

    await release.upgrade(**small, logLevel="DEBUG")
    assert await kept() == made
    assert tokens(await answer(release)) == 4
    await release.helm("rollback", release.name, "1", "--wait", namespace=namespace)
    assert await kept() == made
    await release.helm("uninstall", release.name, "--wait", namespace=namespace)
    await release.install(**small)
    assert await kept() == made
    assert tokens(await answer(release)) == 4


async def test_chart_never_restores_a_replaced_key_or_token(release: Release, api: Api, namespace: str) -> None:
    small = {"gateway": {"replicas": 1}, "operator": {"replicas": 1}, "nats": {"persistence": {"enabled": False}}}
    secret = SECRETS.at(namespace, f"{release.name}-auth")
    await release.install(**small)
    first_key, first_token = await release.secret("first-key"), await release.secret("admin-token")
    manifest = await release.helm("get", "manifest", release.name, namespace=namespace)
    assert base64.b64encode(first_token.encode()).decode() not in manifest

    await api.patch(secret, {"stringData": {"admin-token": "t" * 48}})
    await release.upgrade(**small, commonLabels={"team": "ai"})
    assert await release.secret("admin-token") == "t" * 48
    await release.helm("rollback", release.name, "1", "--wait", namespace=namespace)
    assert await release.secret("admin-token") == "t" * 48

    await api.patch(secret, {"data": {"admin-token": None}})
    await release.upgrade(**small)
    assert await release.secret("first-key") == first_key
    made = await release.secret("admin-token")
    assert len(made) == 48
    assert made not in {first_token, "t" * 48}


@OF_THE_CLUSTER
async def test_chart_uninstallation_keeps_crd_routes_and_volume_for_the_next(
    release: Release, api: Api, namespace: str
) -> None:
    definition = CRDS.at(name="modelroutes.penstock.dev")
    crds = {"enabled": True}
    # The cluster's CRD is the harness's, like one that was applied by hand.
    await release.install("--take-ownership", crds=crds)
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    async with await release.admin() as admin:
        adas = (await admin.post("/admin/keys", json={"name": "Ada"})).json()["key"]
    claim = (await api.list(CLAIMS.at(namespace)))[0]["metadata"]["uid"]
    uid = (await api.get(definition))["metadata"]["uid"]

    async def without_pods() -> bool:
        return not await release.pods()

    await release.helm("uninstall", release.name, "--wait", namespace=namespace)
    # Helm waits for what it has made, and pods are the controllers'.
    await until(without_pods, "its pods go, too")
    assert (await api.get(definition))["metadata"]["uid"] == uid
    assert await api.find(ROUTES.at(namespace, "main")) is not None

    await release.install(crds=crds)
    assert (await api.get(definition))["metadata"]["uid"] == uid
    assert (await api.list(CLAIMS.at(namespace)))[0]["metadata"]["uid"] == claim
    assert tokens(await answer(release)) == 4
    # Only the volume has it: the key cannot be read again.
    async with await release.client() as client:
        client.headers["authorization"] = f"Bearer {adas}"
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "simulated"
    await release.helm("uninstall", release.name, "--wait", namespace=namespace)


async def test_chart_two_releases_of_one_namespace_leave_each_other_alone(
    cluster: Cluster, kubelet: Kubelet, api: Api, release: Release, namespace: str, tmp_path: Path
) -> None:
    second_namespace = f"{namespace}-b"
    await api.create(NAMESPACES.at(), {"metadata": {"name": second_namespace, **RESTRICTED["metadata"]}})
    try:
        (tmp_path / "second").mkdir()
        second = await Release.prepare(cluster, kubelet, api, second_namespace, tmp_path / "second")
        small = {"gateway": {"replicas": 1}, "operator": {"replicas": 1}}
        await release.install(**small)
        route, deployment = ROUTES.at(namespace, "main"), DEPLOYMENTS.at(namespace, "main-worker")
        await api.create(ROUTES.at(namespace), model_route(models=(f"of-{namespace}",)))
        await api.until(route, served, "the route is ready")
        before = await api.get(deployment)

        both = {"replicas": 1, "namespaces": [second_namespace, namespace]}
        await second.install(**{**small, "operator": both}, nats={"persistence": {"enabled": False}})
        await api.create(ROUTES.at(second_namespace), model_route(models=(f"of-{second_namespace}",)))
        await api.until(ROUTES.at(second_namespace, "main"), served, "the second release's route is ready")
        told = await api.until(
            route,
            lambda one: condition(one, "ServedElsewhere") == "True ServedByAnotherRelease",
            "the second release reports the route of the first",
        )
        assert served(told)
        for one in (release, second):
            async with await one.client() as client:
                listed = (await client.get("/v1/models")).json()["data"]
            assert [model["id"] for model in listed] == [f"of-{one.namespace}"]
            assert tokens(await answer(one, f"of-{one.namespace}")) == 4
        after = await api.get(deployment)
        assert after["spec"]["template"] == before["spec"]["template"]
        # Its number of workers alone may have changed.
        assert after["metadata"]["generation"] - before["metadata"]["generation"] <= 2
    finally:
        await api.delete(NAMESPACES.at(name=second_namespace))


async def test_chart_only_the_operator_has_rights_at_the_api_server(
    release: Release, kubectl: Kubectl, namespace: str
) -> None:
    await release.install(gateway={"replicas": 1}, operator={"replicas": 1})

    async def may(account: str, verb: str, resource: str, *where: str) -> bool:
        user = f"--as=system:serviceaccount:{namespace}:{release.name}-{account}"
        with contextlib.suppress(KubectlError):  # "no" is an exit code too
            return "yes" in await kubectl("auth", "can-i", verb, resource, user, *where)
        return False

    here = ("-n", namespace)
    assert await may("operator", "patch", "deployments.apps", "--subresource=scale", *here)
    assert await may("operator", "watch", "modelroutes.penstock.dev", *here)
    for verb, resource in (
        ("get", "secrets"),
        ("list", "secrets"),
        ("patch", "secrets"),
        ("create", "pods"),
        ("update", "modelroutes.penstock.dev"),
    ):
        assert not await may("operator", verb, resource, *here), (verb, resource)
    assert not await may("operator", "list", "modelroutes.penstock.dev", "-n", "default")
    for account in ("gateway", "nats"):
        assert not await may(account, "get", "pods", *here)
    for pod in await release.pods():
        mounts = [mount["mountPath"] for container in pod["spec"]["containers"] for mount in container["volumeMounts"]]
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        assert ("/var/run/secrets/kubernetes.io/serviceaccount" in mounts) == (component == "operator")


@OF_THE_CLUSTER
async def test_chart_aggregates_route_rights_to_view_and_edit(
    release: Release, api: Api, kubectl: Kubectl, namespace: str
) -> None:
    roles = [one for one in await release.helm.template() if one["kind"] == "ClusterRole"]
    await kubectl.apply(*roles)
    try:
        for level in ("view", "edit"):
            grant = (f"test-{level}", f"--clusterrole={level}", f"--user={level}er", "-n", namespace)
            await kubectl("create", "rolebinding", *grant)

        async def may(user: str, verb: str, subresource: str = "") -> bool:
            what = ("modelroutes.penstock.dev", f"--subresource={subresource}", f"--as={user}", "-n", namespace)
            with contextlib.suppress(KubectlError):  # "no" is an exit code too
                return "yes" in await kubectl("auth", "can-i", verb, *what)
            return False

        # A controller puts the roles together.
        await until(lambda: may("editer", "create"), "an editor may create a route")
        assert await may("viewer", "list")
        assert not await may("viewer", "create")
        assert await may("editer", "patch", "scale")
        assert not await may("editer", "patch", "status")
    finally:
        for role in roles:
            await api.delete(CLUSTER_ROLES.at(name=role["metadata"]["name"]))
