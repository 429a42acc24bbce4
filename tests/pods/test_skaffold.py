"""`skaffold deploy` and `verify` with prebuilt images, as CI does it: chart, route, and an answer that streams."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.kubernetes import binaries
from harness.kubernetes.api import NAMESPACES, PODS, Api
from harness.kubernetes.node.__main__ import WANTED
from harness.kubernetes.node.cluster import RealCluster
from harness.kubernetes.node.installation import RESTRICTED, Installation
from harness.kubernetes.skaffold import Skaffold

NAMESPACE = "penstock"
"""As skaffold.yaml names it."""
PROFILES = "ci,shared-cluster"
GONE_S = 60.0
"""Pods finish what they have."""


@pytest_asyncio.fixture
async def skaffold(cluster: RealCluster, api: Api, tmp_path: Path) -> AsyncIterator[Skaffold]:
    """In a namespace that enforces the restricted level; afterwards it is gone with what was deployed."""
    try:
        binaries.binary("skaffold")
    except binaries.NotBuiltError:
        if WANTED in os.environ:
            raise
        pytest.skip("skaffold is not built: make test-skaffold does it, in some minutes")
    await api.create(NAMESPACES.at(), {"metadata": {"name": NAMESPACE, "labels": RESTRICTED}})
    skaffold = Skaffold(tmp_path, cluster.kubeconfig)
    yield skaffold
    await Installation(cluster, NAMESPACE).kubectl("delete", "modelroutes", "--all")
    await skaffold("delete", profile=PROFILES, timeout_s=120)
    # A namespace looks again only after half of the longest grace of its pods, and a gateway's is an hour.
    await api.until_all(PODS.at(NAMESPACE), lambda pods: not pods, "its pods are gone", timeout_s=GONE_S)
    await api.delete(NAMESPACES.at(name=NAMESPACE))
    await api.gone(NAMESPACES.at(name=NAMESPACE), timeout_s=GONE_S)


@pytest.mark.usefixtures("release")  # the release that owns the CRD
async def test_skaffold_deploys_images_built_elsewhere(
    cluster: RealCluster, skaffold: Skaffold, tmp_path: Path
) -> None:
    built = tmp_path / "built.json"
    images = {"penstock": cluster.images.penstock, "penstock-nats": cluster.images.nats}
    # As `skaffold build --file-output` writes it.
    builds = [{"imageName": name, "tag": image} for name, image in images.items()]
    built.write_text(json.dumps({"builds": builds}), "utf-8")

    await skaffold("deploy", f"--build-artifacts={built}", profile=PROFILES, timeout_s=240)
    logged = await skaffold("verify", f"--build-artifacts={built}", profile=PROFILES, timeout_s=120)

    # The Simulated provider's text, by `penstock chat` in a Job.
    assert "[stream]" in logged
