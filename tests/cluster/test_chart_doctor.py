"""`penstock doctor --namespace` names why a release does not run, while Helm waits and after Helm has failed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from harness.kubernetes.api import ROUTES, Api, Resource
from harness.kubernetes.chart_answers import served
from harness.kubernetes.chart_release import Release
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.cluster_doctor import ClusterDoctor
from harness.kubernetes.helm import HelmError
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.model_routes import model_route

JOBS = Resource("batch/v1", "jobs")

pytestmark = pytest.mark.timeout(180)

KEYS = "penstock-nats-keys"
NOWHERE = {"nodeSelector": {"kubernetes.io/hostname": "no-such-node"}}
IN_MEMORY = {"persistence": {"enabled": False}}


@pytest_asyncio.fixture
async def release(cluster: Cluster, kubelet: Kubelet, api: Api, namespace: str, tmp_path: Path) -> Release:
    return await Release.prepare(cluster, kubelet, api, namespace, tmp_path)


@pytest.fixture
def doctor(cluster: Cluster, namespace: str, tmp_path: Path) -> ClusterDoctor:
    return ClusterDoctor(cluster.plane.kubeconfig(), namespace, tmp_path)


@pytest.mark.parametrize(
    ("values", "words", "advice", "after"),
    [
        pytest.param({"operator": NOWHERE}, "0/1 nodes are available", "nodeSelector", True, id="unschedulable"),
        # The pocket kubelet writes no Events: the reason goes with the pod.
        pytest.param({"image": {"tag": "never-built"}}, "never-built", "image.tag", False, id="image"),
    ],
)
async def test_doctor_names_why_the_key_job_cannot_run_before_helm_gives_up(
    release: Release, doctor: ClusterDoctor, api: Api, values: dict[str, Any], words: str, advice: str, after: bool
) -> None:
    nats = {"auth": {"job": {"timeoutSeconds": 20}}}
    installing = asyncio.create_task(release.install(**values, nats=nats))
    found = await doctor.job(words)
    assert not installing.done()
    assert (found["state"], found["found"].partition(":")[0]) == ("problem", KEYS)
    assert advice in found["advice"]
    assert "run helm again" in found["advice"]
    with pytest.raises(HelmError, match=f"{KEYS}.* status: Failed"):
        await installing
    if after:
        await api.until(JOBS.at(release.namespace, KEYS), _failed, "the Job has failed")
        assert words in (await doctor.findings())["job"]["found"]


async def test_doctor_finds_nothing_wrong_in_a_release_that_serves(
    release: Release, doctor: ClusterDoctor, api: Api, namespace: str
) -> None:
    assert "no release of the chart" in (await doctor.findings())["release"]["found"]
    await release.install(nats=IN_MEMORY)
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    assert await doctor.findings() == {}
    no_context = await doctor.findings("--context", "elsewhere")
    assert "elsewhere" in no_context["kubectl"]["found"]


def _failed(job: dict[str, Any]) -> bool:
    return any(one["type"] == "Failed" for one in job.get("status", {}).get("conditions", ()))
