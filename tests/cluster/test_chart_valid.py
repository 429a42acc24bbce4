"""Validation of the chart by both Helms, kubeconform, and the CRDs of foreign kinds."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from harness.kubernetes import definitions
from harness.kubernetes.chart_objects import VARIANTS
from harness.kubernetes.cluster import CRD, Cluster
from harness.kubernetes.helm import CHART, Helm, HelmError
from harness.kubernetes.kubeconform import Kubeconform
from harness.kubernetes.kubectl import KubectlError

HELMS = ("helm", "helm3")


@pytest.fixture(params=HELMS)
def each_helm(request: pytest.FixtureRequest, tmp_path: Path) -> Helm:
    return Helm(tmp_path, program=request.param)


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def kubeconform(tmp_path_factory: pytest.TempPathFactory) -> Kubeconform:
    return Kubeconform(
        tmp_path_factory.mktemp("schemas"), [yaml.safe_load(CRD.read_text("utf-8")), *definitions.of_others()]
    )


async def test_chart_passes_helm_lint(each_helm: Helm, variant: str) -> None:
    logged = await each_helm("lint", "--strict", str(CHART), values=VARIANTS[variant])
    assert "0 chart(s) failed" in logged
    assert "[WARNING]" not in logged


async def test_chart_renders_the_same_with_helm_3_and_helm_4(
    rendered: Mapping[str, Any], variant: str, tmp_path: Path
) -> None:
    def without_random(objects: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
        return {
            (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one
            for one in objects
            if one["kind"] != "Secret"
        }

    older = await Helm(tmp_path, program="helm3").template(VARIANTS[variant])
    assert without_random(older) == without_random(rendered[variant])


async def test_chart_rejects_a_wrong_value_with_helm_3(tmp_path: Path) -> None:
    with pytest.raises(HelmError, match="additional properties 'replica' not allowed"):
        await Helm(tmp_path, program="helm3").template({"gateway": {"replica": 3}})


async def test_chart_objects_have_known_kinds_and_fields(
    rendered: Mapping[str, Any], variant: str, kubeconform: Kubeconform
) -> None:
    found = await kubeconform(rendered[variant])
    assert len(found) == len(rendered[variant])
    assert {name: complaint for name, complaint in found.items() if complaint} == {}


@pytest.mark.parametrize(
    ("kind", "field"),
    [("Deployment", "replica"), ("ModelRoute", "provider"), ("HTTPRoute", "rule"), ("PodMonitor", "selectors")],
)
async def test_chart_validator_finds_an_unknown_field(
    rendered: Mapping[str, Any], kubeconform: Kubeconform, kind: str, field: str
) -> None:
    one = next(one for one in rendered["everything"] if one["kind"] == kind)
    ((_, complaint),) = (await kubeconform([one | {"spec": one["spec"] | {field: 1}}])).items()
    assert field in complaint


@pytest_asyncio.fixture
async def with_others(cluster: Cluster) -> AsyncIterator[None]:
    """The cluster has the definitions of others for as long as the test needs them."""
    defined = definitions.of_others()
    await cluster.kubectl.install(*defined)
    yield
    await cluster.kubectl("delete", "crd", *(one["metadata"]["name"] for one in defined))


@pytest.mark.usefixtures("with_others")
async def test_chart_objects_of_other_projects_pass_their_definitions(
    cluster: Cluster, rendered: Mapping[str, Any], namespace: str
) -> None:
    kinds = {"HTTPRoute", "PodMonitor", "PrometheusRule", "HorizontalPodAutoscaler", "Ingress", "ConfigMap"}
    wanted = [one for one in rendered["everything"] if one["kind"] in kinds]
    assert {one["kind"] for one in wanted} == kinds
    here = [one | {"metadata": one["metadata"] | {"namespace": namespace}} for one in wanted]
    await cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", manifests=here)

    # A rule that only the API server can judge: it is one of CEL.
    (route,) = (one for one in here if one["kind"] == "HTTPRoute")
    (rule,) = route["spec"]["rules"]
    broken = rule | {"timeouts": {"request": "1s", "backendRequest": "2s"}}
    wrong = route | {"spec": route["spec"] | {"rules": [broken]}}
    with pytest.raises(KubectlError, match="backendRequest"):
        await cluster.kubectl("apply", "--dry-run=server", "-f", "-", manifests=[wrong])
