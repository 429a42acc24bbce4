"""The chart's own requests on a node with two free cores: the last release, an upgrade, four workers, `helm test`.

`releases/` has the chart of the last release, as `helm package` wrote it. A larger node is filled up to two free cores.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.kubernetes.api import NODES, PODS, ROUTES, Api, Manifest
from harness.kubernetes.cluster_doctor import ClusterDoctor
from harness.kubernetes.helm import CHART, HelmError
from harness.kubernetes.model_routes import condition
from harness.kubernetes.node.cluster import RealCluster
from harness.kubernetes.node.installation import Installation
from harness.streams.client_group import ClientGroup
from harness.streams.simulated_route import simulated_route

(LAST_RELEASE,) = (Path(__file__).parent / "releases").glob("penstock-*.tgz")
LOCAL = Path(__file__).parents[2] / "examples" / "routes" / "local.yaml"
FREE_CPU = 2000
WORKERS = 4
ROUTE = "four"
UPGRADE = ("--reset-then-reuse-values", "--wait", "--timeout=280s")
UPGRADE_S = 290.0


@pytest_asyncio.fixture
async def release(cluster: RealCluster, installed: Installation, api: Api) -> AsyncIterator[Installation]:
    """Not installed yet, with no more than two free cores; the definition is another release's."""
    del installed
    release = Installation(cluster, "two-cores")
    await release.make_namespace()
    if (surplus := await free_cpu(api) - FREE_CPU) > 0:
        await api.create(PODS.at(release.namespace), filler(cluster.images.penstock, surplus))
    yield release
    print(release.report())  # noqa: T201 - pytest shows it with a failure
    for route in await api.list(ROUTES.at(release.namespace)):
        await api.delete(ROUTES.at(release.namespace, route["metadata"]["name"]))
    await release.uninstall()


@pytest.mark.timeout(1200)
async def test_chart_upgrades_from_the_last_release_and_runs_four_workers_on_two_cores(
    release: Installation, api: Api
) -> None:
    images = release.own_values({"crds": {"enabled": False}})
    # The last release's requests fill the node.
    await release.helm(
        *("install", release.name, str(LAST_RELEASE), "--wait", "--timeout=280s"),
        namespace=release.namespace,
        values=images,
        timeout_s=UPGRADE_S,
    )
    await api.create(
        ROUTES.at(release.namespace),
        # The chart's own resources.
        simulated_route(
            ROUTE, per_second=10, scaling={"mode": "Manual", "replicas": WORKERS}, worker={"resources": {}}
        ),
    )
    await ready(release, api, ROUTE)
    key = await release.secret("first-key")
    (broker,) = await release.pods(api, "nats")

    async with ClientGroup(await release.gateway(), key, ROUTE, [600] * 4, again=False) as client_group:
        await release.helm(
            *("upgrade", release.name, str(CHART), *UPGRADE),
            namespace=release.namespace,
            values=release.own_values({"models": {"enabled": True}}),
            timeout_s=UPGRADE_S,
        )
        await ready(release, api, ROUTE)
    assert not client_group.cut, client_group.cut
    assert await release.secret("first-key") == key
    # A single broker that restarts pauses each stream.
    assert [pod["metadata"]["uid"] for pod in await release.pods(api, "nats")] == [broker["metadata"]["uid"]]

    # The chart's other uses, with all of it running.
    await release.apply(LOCAL)
    upgraded = release.own_values({"logLevel": "DEBUG"})
    await release.helm(
        *("upgrade", release.name, str(CHART), *UPGRADE),
        namespace=release.namespace,
        values=upgraded,
        timeout_s=UPGRADE_S,
    )
    await ready(release, api, ROUTE)
    logged = await release.helm("test", release.name, "--logs", namespace=release.namespace, timeout_s=250)
    assert "Phase:          Succeeded" in logged
    await release.helm(
        "rollback", release.name, "--wait", "--timeout=280s", namespace=release.namespace, timeout_s=UPGRADE_S
    )
    await ready(release, api, ROUTE)
    workers = await release.workers(api, ROUTE)
    assert len([pod for pod in workers if pod["status"]["phase"] == "Running"]) >= WORKERS


@pytest.mark.parametrize(
    ("values", "words", "reason"),
    [
        # A pod without a container writes no log that Helm could print.
        pytest.param(
            {"image": {"tag": "never-built"}}, "status: Failed, message: Job Failed", "never-built", id="image"
        ),
        pytest.param(
            {"networkPolicy": {"apiServerPorts": [9]}},
            "is not in networkPolicy.apiServerPorts",
            "is not in networkPolicy.apiServerPorts",
            id="network-policy",
        ),
    ],
)
async def test_chart_key_job_that_cannot_run_fails_before_helm_gives_up_and_doctor_names_the_reason(
    cluster: RealCluster, installed: Installation, values: Manifest, words: str, reason: str, tmp_path: Path
) -> None:
    del installed
    if words.endswith("apiServerPorts") and not (cluster.node and cluster.node.enforces_policies):
        pytest.skip("NetworkPolicies are not enforced")
    release = Installation(cluster, f"no-keys-{len(words)}")
    try:
        with pytest.raises(HelmError) as failed:
            await release.install(
                **values,
                crds={"enabled": False},
                nats={"auth": {"job": {"timeoutSeconds": 100 if "networkPolicy" in values else 15}}},
            )
        assert words in str(failed.value)
        assert "penstock-nats-keys" in str(failed.value)
        assert "deadline exceeded" not in str(failed.value)
        doctor = ClusterDoctor(cluster.kubeconfig, release.namespace, tmp_path)
        assert reason in (await doctor.findings())["job"]["found"]
    finally:
        await release.uninstall()


async def ready(release: Installation, api: Api, route: str) -> None:
    path = ROUTES.at(release.namespace, route)
    await api.until(
        path,
        lambda one: condition(one, "Ready").startswith("True") and condition(one, "WorkersReady").startswith("True"),
        f"{route} is ready",
        timeout_s=90,
    )


async def free_cpu(api: Api) -> int:
    """Of the cluster's nodes, in thousandths."""
    free = sum(cpu(node["status"]["allocatable"]["cpu"]) for node in await api.list(NODES.at()))
    for pod in await api.list(PODS.at()):
        if pod["status"]["phase"] in {"Pending", "Running"}:
            requests = (one.get("resources", {}).get("requests", {}) for one in pod["spec"]["containers"])
            free -= sum(cpu(one.get("cpu", "0")) for one in requests)
    return free


def cpu(quantity: str) -> int:
    return int(quantity[:-1]) if quantity.endswith("m") else int(float(quantity) * 1000)


def filler(image: str, millicores: int) -> Manifest:
    container = {
        "name": "filler",
        "image": image,
        "command": ["python3", "-c", "import signal; signal.pause()"],
        "resources": {"requests": {"cpu": f"{millicores}m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"metadata": {"name": "filler"}, "spec": {"containers": [container], "securityContext": security}}
