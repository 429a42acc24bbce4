"""The documented steps to a larger volume of the broker: docs/operations/backup.md#a-larger-volume.

This cluster has no storage driver: the API server accepts the larger claim, and no volume grows.
"""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.kubernetes.api import ROUTES, Api, ApiError, Resource
from harness.kubernetes.chart_answers import answer, served, tokens
from harness.kubernetes.chart_release import Release
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.helm import HelmError
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.model_routes import model_route

pytestmark = pytest.mark.timeout(180)

VOLUMES = Resource("v1", "persistentvolumes")
CLAIMS = Resource("v1", "persistentvolumeclaims")
CLASSES = Resource("storage.k8s.io/v1", "storageclasses")
SETS = Resource("apps/v1", "statefulsets")
SMALL = {"gateway": {"replicas": 1}, "operator": {"replicas": 1}}


@pytest_asyncio.fixture
async def storage_class(api: Api) -> AsyncIterator[str]:
    """With `allowVolumeExpansion`, and one volume."""
    name = f"test-{secrets.token_hex(4)}"
    provisioner = {"provisioner": "kubernetes.io/no-provisioner", "allowVolumeExpansion": True}
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": name,
    }
    await api.create(CLASSES.at(), {"metadata": {"name": name}, **provisioner})
    await api.create(VOLUMES.at(), {"metadata": {"name": name}, "spec": spec})
    yield name
    await api.delete(VOLUMES.at(name=name))
    await api.delete(CLASSES.at(name=name))


async def test_chart_volume_is_enlarged_by_the_documented_steps(
    cluster: Cluster,
    kubelet: Kubelet,
    api: Api,
    kubectl: Kubectl,
    namespace: str,
    storage_class: str,
    tmp_path: Path,
) -> None:
    release = await Release.prepare(cluster, kubelet, api, namespace, tmp_path)
    stored = {"persistence": {"storageClassName": storage_class}}
    await release.install(**SMALL, nats=stored)
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the route is ready")
    key = await release.secret("first-key")
    claim, name = CLAIMS.at(namespace, f"data-{release.name}-nats-0"), f"{release.name}-nats"
    (before,) = await release.pods("nats")
    larger = {
        "persistence": {"storageClassName": storage_class, "size": "10Gi"},
        "jetstream": {"fileMax": "8Gi", "usageMax": "6Gi"},
    }

    # Without the steps: refused before anything changes.
    operator = (await release.pods("operator"))[0]["metadata"]["uid"]
    with pytest.raises(HelmError, match=r"docs/operations/backup\.md#a-larger-volume"):
        await release.upgrade(**SMALL, nats=larger, logLevel="DEBUG")
    assert (await release.pods("operator"))[0]["metadata"]["uid"] == operator

    patch = '{"spec":{"resources":{"requests":{"storage":"10Gi"}}}}'
    await kubectl("-n", namespace, "patch", "pvc", f"data-{name}-0", "-p", patch)
    await kubectl("-n", namespace, "delete", "statefulset", name, "--cascade=orphan")
    assert [pod["metadata"]["uid"] for pod in await release.pods("nats")] == [before["metadata"]["uid"]]
    await release.upgrade("--reset-then-reuse-values", **SMALL, nats=larger)

    server = await api.get(SETS.at(namespace, name))
    (template,) = server["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert (await api.get(claim))["spec"]["resources"]["requests"]["storage"] == "10Gi"
    (pod,) = await release.pods("nats")
    assert [owner["uid"] for owner in pod["metadata"]["ownerReferences"]] == [server["metadata"]["uid"]]
    assert "max_file_store: 8Gi" in await kubectl(
        "-n", namespace, "get", "configmap", name, "-o", "jsonpath={.data.nats\\.conf}"
    )
    # The same volume: the key is known, and the route is served.
    assert await release.secret("first-key") == key
    assert tokens(await answer(release)) == 4


async def test_chart_claim_does_not_grow_without_the_class_allowing_it(
    api: Api, namespace: str, storage_class: str
) -> None:
    """`Without expansion` in the documentation: the API server refuses the first step, and nothing is lost."""
    await api.patch(CLASSES.at(name=storage_class), {"allowVolumeExpansion": False})
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": "2Gi"}},
        },
    }
    await api.create(CLAIMS.at(namespace), claim)
    await api.until(CLAIMS.at(namespace, "data"), lambda one: one["status"].get("phase") == "Bound", "it is bound")
    with pytest.raises(ApiError, match=r"expan|resize"):
        await api.patch(CLAIMS.at(namespace, "data"), {"spec": {"resources": {"requests": {"storage": "10Gi"}}}})
