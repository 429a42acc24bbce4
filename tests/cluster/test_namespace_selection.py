"""An operator with a label selector, or for all namespaces, with the rights that the chart gives it for that.

A cluster of the module's own: this operator reads the routes of every namespace.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from harness.kubernetes.api import DEPLOYMENTS, NAMESPACES, PODS, ROUTES, Api, Manifest, Resource
from harness.kubernetes.chart_objects import of_kind
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.helm import Helm
from harness.kubernetes.model_routes import catalogue_of, condition, model_route, served
from harness.kubernetes.operator_process import ACCOUNT, Operators
from harness.nats_server import NatsServer
from harness.processes import until

from penstock_operator.reconcile.owned_object import INSTALLATION

pytestmark = [pytest.mark.xdist_group("api-server"), pytest.mark.timeout(150)]

RBAC = "rbac.authorization.k8s.io/v1"
CLUSTER_ROLES, CLUSTER_BINDINGS = Resource(RBAC, "clusterroles"), Resource(RBAC, "clusterrolebindings")
ONE = {"mode": "Manual", "replicas": 1}
SELECTED: Mapping[str, Any] = {
    "operator": {
        "watchNamespaces": "Selected",
        "namespaceSelector": {
            "matchLabels": {"penstock.dev/serve": "true"},
            "matchExpressions": [
                {"key": "stage", "operator": "NotIn", "values": ["test", "old"]},
                {"key": "kubernetes.io/metadata.name", "operator": "Exists"},
            ],
        },
    }
}
ALL: Mapping[str, Any] = {"operator": {"watchNamespaces": "All"}}
SERVED = {"penstock.dev/serve": "true"}


@pytest.fixture(scope="module")
def cluster(own_cluster: Cluster) -> Cluster:
    return own_cluster


@pytest_asyncio.fixture
async def team(api: Api) -> AsyncIterator[str]:
    """A second namespace, which has no labels yet."""
    name = f"team-{secrets.token_hex(4)}"
    await api.create(NAMESPACES.at(), {"metadata": {"name": name}})
    yield name
    await api.delete(NAMESPACES.at(name=name))
    await api.delete(PODS.at(name), {"gracePeriodSeconds": 0})


@pytest_asyncio.fixture
async def cluster_wide(api: Api, helm: Helm, namespace: str) -> AsyncIterator["ClusterWide"]:
    rights = ClusterWide(api, helm, namespace)
    yield rights
    for made in rights.made:
        await api.delete(made)


class ClusterWide:
    """The chart's ClusterRole for values, granted to the test's operator; returns its variables."""

    def __init__(self, api: Api, helm: Helm, namespace: str) -> None:
        self._api, self._helm, self._namespace = api, helm, namespace
        self.made: list[str] = []

    async def grant(self, values: Mapping[str, Any]) -> dict[str, str]:
        objects = await self._helm.template(values)
        (role,) = (one for one in of_kind(objects, "ClusterRole") if one["metadata"]["name"] == "ai-penstock-operator")
        name = f"operator-{self._namespace}"
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self._namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        await self._api.create(CLUSTER_ROLES.at(), {"metadata": {"name": name}, "rules": role["rules"]})
        await self._api.create(
            CLUSTER_BINDINGS.at(), {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        )
        self.made += [CLUSTER_BINDINGS.at(name=name), CLUSTER_ROLES.at(name=name)]
        (deployment,) = (one for one in of_kind(objects, "Deployment") if "operator" in one["metadata"]["name"])
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        variables = {one["name"]: one.get("value", "") for one in container["env"]}
        listed = "*" if variables["PENSTOCK_NAMESPACES"] == "*" else self._namespace
        return {
            "PENSTOCK_NAMESPACES": listed,
            "PENSTOCK_NAMESPACE_SELECTOR": variables.get("PENSTOCK_NAMESPACE_SELECTOR", ""),
        }


async def label(api: Api, namespace: str, **labels: str | None) -> None:
    await api.patch(NAMESPACES.at(name=namespace), {"metadata": {"labels": {**dict.fromkeys(SERVED), **labels}}})


async def serve(api: Api, namespace: str) -> None:
    await api.patch(NAMESPACES.at(name=namespace), {"metadata": {"labels": SERVED}})


async def test_namespace_that_matches_later_is_served_and_released_when_it_stops_matching(
    api: Api, namespace: str, team: str, nats: NatsServer, operators: Operators, cluster_wide: ClusterWide
) -> None:
    variables = await cluster_wide.grant(SELECTED)
    operator = await operators.start(**variables)
    path = ROUTES.at(team, "main")
    await api.create(ROUTES.at(team), model_route(models=("shared",), scaling=ONE))
    await api.until(path, refused, "it is reported that the namespace is not served", timeout_s=25)
    assert await api.find(DEPLOYMENTS.at(team, "main-worker")) is None

    async with catalogue_of(nats.url) as catalogue:
        await serve(api, team)
        await api.until(path, ready, "the labelled namespace is served")
        assert f"{team}.main" in catalogue
        # A listed namespace is served without the label, and a younger route waits for the name.
        own = ROUTES.at(namespace, "main")
        await api.create(ROUTES.at(namespace), model_route(models=("shared",)))
        await api.until(
            own, lambda one: condition(one, "Accepted") == "False ModelNameConflict", "the older route has the name"
        )

        await label(api, team)
        released = await api.until(path, refused, "the released route has the condition")
        assert [one["type"] for one in released["status"]["conditions"]] == ["Ready"]
        await until(lambda: f"{team}.main" not in catalogue, "its entry is gone")
        await api.until(own, served, "the name is free for the other namespace")
        deployment = await api.until(
            DEPLOYMENTS.at(team, "main-worker"), lambda one: INSTALLATION not in marks(one), "the mark is gone"
        )
        assert deployment["spec"]["replicas"] == 0

        await api.delete(own)
        await serve(api, team)
        await api.until(path, ready, "it is served again")
        # `stage` excludes it, although the label is there.
        await api.patch(NAMESPACES.at(name=team), {"metadata": {"labels": {"stage": "old"}}})
        await api.until(path, refused, "the expression counts")
    assert operator.process.alive
    assert [write for write in operators.writes() if write.code in {401, 403}] == []


async def test_namespace_selection_changed_without_an_operator_is_found_at_its_start(
    api: Api, team: str, operators: Operators, cluster_wide: ClusterWide
) -> None:
    variables = await cluster_wide.grant(SELECTED)
    await serve(api, team)
    first = await operators.start(**variables)
    await api.create(ROUTES.at(team), model_route(scaling=ONE))
    await api.until(ROUTES.at(team, "main"), ready, "it is served")
    first.process.kill()
    await label(api, team)
    await operators.start(**variables)
    # The second one waits for the lease of the first.
    await api.until(ROUTES.at(team, "main"), refused, "the change is found", timeout_s=40)


async def test_namespace_made_later_is_served_by_an_operator_of_all_namespaces(
    api: Api, team: str, operators: Operators, cluster_wide: ClusterWide
) -> None:
    operator = await operators.start(**await cluster_wide.grant(ALL))
    later = f"later-{secrets.token_hex(4)}"
    await api.create(NAMESPACES.at(), {"metadata": {"name": later}})
    try:
        for place in (team, later):
            await api.create(ROUTES.at(place), model_route(models=(place,)))
        for place in (team, later):
            await api.until(ROUTES.at(place, "main"), served, f"{place} is served")
        assert 'penstock_namespace="*"' in await operator.metrics()
    finally:
        await api.delete(NAMESPACES.at(name=later))
    # The objects go one by one, and the operator creates none of them again.
    await api.gone(ROUTES.at(later, "main"))
    assert operator.process.alive


def ready(route: Manifest) -> bool:
    return condition(route, "Ready").startswith("True")


def refused(route: Manifest) -> bool:
    return condition(route, "Ready") == "False NamespaceNotServed"


def marks(deployment: Manifest) -> Mapping[str, str]:
    annotations: Mapping[str, str] = deployment["metadata"].get("annotations", {})
    return annotations
