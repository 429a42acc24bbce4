"""A ModelRoute on the API server: its defaults are the Structs', kubectl explains, lists and scales it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from harness.kubernetes.api import ROUTES, Api, ApiError
from harness.kubernetes.kubectl import Kubectl, KubectlError
from harness.route_examples import KEPT, Spec, route, spec

from penstock_contract.crd.resource import COLUMNS, definition
from penstock_contract.route.json_form import with_defaults
from penstock_contract.route.spec import ModelRoute, ModelRouteSpec
from penstock_contract.route.status import Condition, LastDecision, ModelRouteStatus

ROUTE_FILES = sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))
NOW = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)
STATUS = ModelRouteStatus(
    observed_generation=1,
    replicas=3,
    ready_replicas=2,
    draining_replicas=1,
    desired_replicas=2,
    selector="penstock.dev/route=main",
    last_decision=LastDecision(at=NOW, from_=3, to=2, reason="LoadFell", message="12 of 192 slots for 60 s"),
    conditions=[
        Condition(
            type="Ready",
            status="True",
            observed_generation=1,
            last_transition_time=NOW,
            reason="Serving",
            message="2 workers take requests",
        )
    ],
)


@pytest.mark.parametrize("path", ROUTE_FILES, ids=lambda path: path.stem)
async def test_crd_accepts_every_example(kubectl: Kubectl, namespace: str, path: Path) -> None:
    await kubectl("apply", "--validate=strict", "-n", namespace, "-f", str(path))


async def test_crd_accepts_all_examples_at_once(kubectl: Kubectl, namespace: str) -> None:
    for folder in sorted({path.parent for path in ROUTE_FILES}):
        await kubectl("apply", "-n", namespace, "-f", str(folder))

    applied = [document for path in ROUTE_FILES for document in yaml.safe_load_all(path.read_text())]
    found = (await kubectl.json("get", "mr", "-n", namespace))["items"]
    assert {item["metadata"]["name"] for item in found} == {document["metadata"]["name"] for document in applied}


@pytest.mark.parametrize("given", KEPT.values(), ids=KEPT)
async def test_crd_defaults_equal_those_of_the_structs(api: Api, namespace: str, given: Spec) -> None:
    kept = await api.create(ROUTES.at(namespace), route(given))

    assert kept["spec"] == with_defaults(msgspec.convert(given, ModelRouteSpec))
    assert msgspec.convert(kept, ModelRoute).spec == msgspec.convert(given, ModelRouteSpec)


async def test_crd_defaults_complete_a_partial_object(api: Api, namespace: str) -> None:
    given = spec(limits={"queueDepth": 7}, scaling={"fallback": {"replicas": 2}}, worker={"resources": {}})

    kept = await api.create(ROUTES.at(namespace), route(given))

    assert kept["spec"] == with_defaults(msgspec.convert(given, ModelRouteSpec))


async def test_crd_rejects_an_unknown_field(kubectl: Kubectl, namespace: str) -> None:
    misspelt = route(spec(scaling={"maxreplicas": 3}))

    with pytest.raises(KubectlError, match=r'unknown field "spec\.scaling\.maxreplicas"'):
        await kubectl("apply", "-n", namespace, "-f", "-", manifests=[misspelt])


def _schema(part: str) -> dict[str, Any]:
    (version,) = definition()["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"][part]
    return schema


def _fields(schema: dict[str, Any]) -> list[str]:
    """Names with their depth, sorted as kubectl does."""
    found = []
    for name, inner in sorted(schema.get("properties", {}).items()):
        found += [name, *_fields(inner.get("items", inner))]
    return found


async def test_crd_fields_are_explained_by_kubectl(kubectl: Kubectl) -> None:
    for part in ("spec", "status"):
        explained = await kubectl("explain", f"mr.{part}", "--recursive")
        listed = [line.split()[0] for line in explained.partition("FIELDS:")[2].splitlines() if "<" in line]
        assert listed == _fields(_schema(part))


async def test_crd_explains_scaling_with_the_text_of_the_structs(kubectl: Kubectl) -> None:
    logged = " ".join((await kubectl("explain", "mr.spec.scaling")).split())

    for name, field in _schema("spec")["properties"]["scaling"]["properties"].items():
        assert f"{name} <" in logged
        assert field["description"] in logged


async def test_crd_columns_show_the_routes_state(api: Api, kubectl: Kubectl, namespace: str) -> None:
    await api.create(ROUTES.at(namespace), route(spec()))
    await api.patch(ROUTES.at(namespace, "main", "status"), {"status": msgspec.to_builtins(STATUS)})

    table = (await kubectl("get", "mr", "-n", namespace)).splitlines()
    wide = (await kubectl("get", "mr", "-n", namespace, "-o", "wide")).splitlines()

    narrow = [column["name"].upper() for column in COLUMNS if "priority" not in column]
    assert table[0].split() == ["NAME", *narrow]
    assert table[1].split()[:-1] == ["main", "m", "True", "Serving", "2", "2", "10"]
    assert wide[0].split() == ["NAME", *(column["name"].upper() for column in COLUMNS)]
    assert wide[1].split(maxsplit=10)[8:] == ["Auto", "1", "2 workers take requests"]


async def test_crd_has_a_short_name_and_a_category(api: Api, kubectl: Kubectl, namespace: str) -> None:
    await api.create(ROUTES.at(namespace), route(spec()))

    for kind in ("mr", "modelroute", "modelroutes", "penstock"):
        assert await kubectl("get", kind, "-n", namespace, "-o", "name") == "modelroute.penstock.dev/main\n"


async def test_crd_scale_subresource_works_with_kubectl(api: Api, kubectl: Kubectl, namespace: str) -> None:
    await api.create(ROUTES.at(namespace), route(spec(scaling={"mode": "Manual"})))
    await api.patch(ROUTES.at(namespace, "main", "status"), {"status": msgspec.to_builtins(STATUS)})

    await kubectl("scale", "mr/main", "--replicas=3", "-n", namespace)

    assert (await api.get(ROUTES.at(namespace, "main")))["spec"]["scaling"]["replicas"] == 3
    scale = await api.get(ROUTES.at(namespace, "main", "scale"))
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 3, "selector": STATUS.selector})


async def test_crd_rejects_a_scale_beyond_the_bounds(api: Api, kubectl: Kubectl, namespace: str) -> None:
    await api.create(ROUTES.at(namespace), route(spec()))

    with pytest.raises(KubectlError, match=r"spec\.scaling\.replicas.*less than or equal to 1000"):
        await kubectl("scale", "mr/main", "--replicas=1001", "-n", namespace)


@pytest.mark.parametrize("status", [STATUS, ModelRouteStatus()], ids=["full", "empty"])
async def test_crd_status_is_stored_unchanged(api: Api, namespace: str, status: ModelRouteStatus) -> None:
    await api.create(ROUTES.at(namespace), route(spec()))
    written = route(spec()) | {"status": msgspec.to_builtins(status)}
    del written["spec"]

    await api.apply(ROUTES.at(namespace, "main", "status"), written, manager="penstock")

    kept = await api.get(ROUTES.at(namespace, "main"))
    assert msgspec.convert(kept["status"], ModelRouteStatus) == status
    assert kept["status"] == written["status"]


async def test_crd_status_is_not_written_with_the_spec(api: Api, namespace: str) -> None:
    created = await api.create(ROUTES.at(namespace), route(spec()) | {"status": {"replicas": 5}})

    assert "status" not in created


async def test_crd_rejects_a_condition_without_its_time(api: Api, namespace: str) -> None:
    await api.create(ROUTES.at(namespace), route(spec()))
    condition = {"type": "Ready", "status": "True", "reason": "Serving"}

    with pytest.raises(ApiError, match=r"lastTransitionTime: Required value"):
        await api.patch(ROUTES.at(namespace, "main", "status"), {"status": {"conditions": [condition]}})
