"""One ModelRoute that is too deep or too large: the API server refuses it, and an older one costs itself alone."""

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from harness.kubernetes.api import DEPLOYMENTS, ROUTES, Api, ApiError
from harness.kubernetes.cluster import CRD, Cluster
from harness.kubernetes.kubectl import Kubectl, KubectlError
from harness.kubernetes.model_routes import model_route, served
from harness.kubernetes.operator_process import Operators
from harness.processes import until

pytestmark = pytest.mark.xdist_group("definition")

FREE_FORM = {"type": "object", "description": "free", "x-kubernetes-preserve-unknown-fields": True}
PLACEMENT: dict[str, Any] = {
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 100,
                    "podAffinityTerm": {
                        "topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {"matchLabels": {"app": "x"}},
                        "namespaceSelector": {},
                    },
                }
            ]
        },
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["a"]}]}]
            }
        },
    },
    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
            "matchLabelKeys": ["pod-template-hash"],
        }
    ],
}


@pytest.fixture(scope="module")
def cluster(own_cluster: Cluster) -> Cluster:
    """A cluster whose CRD may be changed."""
    return own_cluster


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def with_affinity(name: str, affinity: str) -> bytes:
    """A ModelRoute's JSON; the affinity is a text, as no encoder of Python goes that deep."""
    text = json.dumps(model_route(name, models=(name,), worker={"affinity": "here"}))
    return text.replace('"here"', affinity).encode()


async def post(kubectl: Kubectl, namespace: str, directory: Path, body: bytes) -> None:
    file = directory / "route.json"
    file.write_bytes(body)
    await kubectl("create", "--raw", f"{ROUTES.at(namespace)}?fieldValidation=Strict", "-f", str(file))


@pytest.mark.parametrize(
    ("affinity", "words"),
    [(nested(5_000), "unknown field"), ('{"a":[' + ",".join(['{"a":1}'] * 170_000) + "]}", "unknown field")],
    ids=["5000 levels", "1.4 MB"],
)
async def test_route_with_an_unbounded_affinity_is_rejected(
    kubectl: Kubectl, namespace: str, tmp_path: Path, affinity: str, words: str
) -> None:
    with pytest.raises(KubectlError, match=words):
        await post(kubectl, namespace, tmp_path, with_affinity("wide", affinity))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tolerations", [{"operator": "Exists"}] * 65),
        ("tolerations", [{"key": "k" * 400, "operator": "Exists"}]),
        ("affinity", {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "z"}] * 17}}),
        ("topologySpreadConstraints", [PLACEMENT["topologySpreadConstraints"][0] | {"matchLabelKeys": ["a"] * 17}]),
    ],
    ids=["many tolerations", "a long key", "many terms", "many keys"],
)
async def test_route_with_a_large_placement_is_rejected(api: Api, namespace: str, field: str, value: Any) -> None:
    with pytest.raises(ApiError) as refused:
        await api.create(f"{ROUTES.at(namespace)}?dryRun=All", model_route(worker={field: value}))
    assert refused.value.code == 422


async def test_route_placement_reaches_the_pods(api: Api, namespace: str, operators: Operators) -> None:
    await operators.start()
    route = model_route(worker=PLACEMENT, scaling={"minReplicas": 0})
    await api.create(f"{ROUTES.at(namespace)}?fieldValidation=Strict", route)
    made = await api.until(DEPLOYMENTS.at(namespace, "main-worker"), lambda _: True, "the Deployment is made")
    pod = made["spec"]["template"]["spec"]
    assert {field: pod[field] for field in PLACEMENT} == PLACEMENT


@pytest_asyncio.fixture
async def without_bounds(cluster: Cluster) -> AsyncIterator[dict[str, Any]]:
    """The definition of an older release, in which placement is free-form; gives today's."""
    today: dict[str, Any] = yaml.safe_load(CRD.read_text("utf-8"))
    older = copy.deepcopy(today)
    worker = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["worker"]
    worker["properties"]["affinity"] = FREE_FORM
    await cluster.kubectl.install(older)
    yield today
    await cluster.kubectl.install(today)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("depth", [80, 400, 990, 5_000])
async def test_route_stored_too_deep_does_not_affect_other_routes(
    api: Api,
    cluster: Cluster,
    kubectl: Kubectl,
    namespace: str,
    operators: Operators,
    without_bounds: dict[str, Any],
    tmp_path: Path,
    depth: int,
) -> None:
    await post(kubectl, namespace, tmp_path, with_affinity("deep", nested(depth)))
    await post(kubectl, namespace, tmp_path, with_affinity("wide", '{"a":[' + ",".join(['{"a":1}'] * 170_000) + "]}"))
    await api.create(ROUTES.at(namespace), model_route())

    # It is in the list that an operator begins with, and in events of a watch.
    operator = await operators.start()
    await api.until(ROUTES.at(namespace, "main"), served, "the other route is served")

    async def logged(name: str) -> str:
        path = "jsonpath={.status.conditions[?(@.type=='Accepted')].reason}"
        return await kubectl("get", "modelroute", name, "-n", namespace, "-o", path)

    for name in ("deep", "wide"):

        async def is_refused(name: str = name) -> bool:
            return "InvalidSpec" in await logged(name)

        await until(is_refused, f"{name} has a condition", timeout_s=60)
    await post(kubectl, namespace, tmp_path, with_affinity("deeper", nested(depth)))
    await api.create(ROUTES.at(namespace), model_route("next", models=("next",)))
    await api.until(ROUTES.at(namespace, "next"), served, "a route that came after it is served")
    assert operator.process.events("operator.watch_failed") == []
    assert operator.process.events("operator.watch_restarted") == []
    assert operator.process.events("operator.lease_lost") == []

    # The upgrade of the definition.
    await cluster.kubectl.install(without_bounds)
    await api.create(ROUTES.at(namespace), model_route("last", models=("last",)))
    await api.until(ROUTES.at(namespace, "last"), served, "and one after the upgrade")
    assert operator.process.alive
