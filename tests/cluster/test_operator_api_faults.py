"""An unavailable or rejecting API server: nothing is scaled, the status has the reason, and the state recovers."""

import copy
import time
from typing import Any

import pytest
from harness.kubernetes.api import DEPLOYMENTS, LEASES, NAMESPACES, ROLE_BINDINGS, ROLES, ROUTES, Api, Manifest
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.model_routes import condition, model_route, served
from harness.kubernetes.operator_process import ACCOUNT, Operators
from harness.link import Link
from harness.processes import until

AWAY_S = 60.0


def without(role: Manifest, resource: str, *verbs: str) -> dict[str, Any]:
    """The role's rules without some verbs on a resource."""
    rules = copy.deepcopy(role["rules"])
    for rule in rules:
        if resource in rule["resources"]:
            rule["verbs"] = [verb for verb in rule["verbs"] if verb not in verbs]
    return {"rules": rules}


@pytest.mark.timeout(180)
async def test_operator_recovers_from_a_minute_without_the_api_server(
    api: Api, cluster: Cluster, namespace: str, operators: Operators
) -> None:
    # As the chart runs it: two replicas, each with a link to the API server that the test cuts.
    link = await Link.start(cluster.plane.port)
    try:
        server = f"https://127.0.0.1:{link.port}"
        first = await operators.start(server=server)
        second = await operators.start(server=server)
        await api.create(ROUTES.at(namespace), model_route(scaling={"mode": "Manual", "replicas": 2}))
        await api.until(ROUTES.at(namespace, "main"), served, "it is served", timeout_s=30)
        mark = cluster.plane.audit_log.mark()
        link.cut()
        away_until = time.monotonic() + AWAY_S
        await until(lambda: time.monotonic() > away_until, "it was away", timeout_s=AWAY_S + 5)
        assert (await second.get("/livez")).status_code == 200, "a restart would not help"
        await link.mend()
        back = time.monotonic()
        await api.create(ROUTES.at(namespace), model_route("next", models=("next",)))
        await api.until(ROUTES.at(namespace, "next"), served, "the next route is served", timeout_s=20)
        print(f"served {time.monotonic() - back:.1f} s after the API server was back")  # noqa: T201
        holder = (await api.get(LEASES.at(namespace, "penstock-operator")))["spec"]["holderIdentity"]
        # The former leader could not exclude another leader, and has ended.
        assert not first.process.alive
        assert holder == "operator-2"
        written = [w for w in operators.writes(mark) if w.name == "main-worker"]
        assert written == []
        assert (await api.get(DEPLOYMENTS.at(namespace, "main-worker")))["spec"]["replicas"] == 2
    finally:
        await link.close()


async def test_operator_reports_a_missing_right_within_ten_seconds_and_its_return(
    api: Api, namespace: str, operators: Operators
) -> None:
    operator = await operators.start()
    role = await api.get(ROLES.at(namespace, ACCOUNT))
    await api.patch(ROLES.at(namespace, ACCOUNT), without(role, "deployments", "create", "patch"))
    await api.create(ROUTES.at(namespace), model_route())
    path = ROUTES.at(namespace, "main")
    failed = await api.until(
        path, lambda r: condition(r, "Degraded") == "True ApplyFailed", "the status says so", timeout_s=10
    )
    assert "deployments.apps" in str(failed["status"]["conditions"])
    await api.patch(ROLES.at(namespace, ACCOUNT), {"rules": role["rules"]})
    await api.until(path, lambda r: condition(r, "Degraded") == "False AsExpected", "it is cleared", timeout_s=10)
    await api.until(DEPLOYMENTS.at(namespace, "main-worker"), lambda _: True, "the Deployment is there")
    assert operator.process.alive


async def test_operator_waits_for_a_missing_watch_right_at_its_start(
    api: Api, namespace: str, operators: Operators
) -> None:
    # The first start makes the account.
    first = await operators.start()
    first.process.terminate()
    await until(lambda: not first.process.alive, "it has ended")
    role = await api.get(ROLES.at(namespace, ACCOUNT))
    await api.patch(ROLES.at(namespace, ACCOUNT), without(role, "pods", "list", "watch"))
    operator = await operators.start(ready=False)
    await operator.process.logged("operator.leading")
    answer = await operator.get("/readyz")
    assert answer.status_code == 503
    assert "pods" in answer.text
    await api.patch(ROLES.at(namespace, ACCOUNT), {"rules": role["rules"]})
    await operator.ready()
    assert operator.process.alive


async def test_operator_serves_other_namespaces_beside_one_without_rights(
    api: Api, namespace: str, operators: Operators
) -> None:
    other = f"{namespace}-other"
    served_metric = f'penstock_namespace="{other}"}}'
    await api.create(NAMESPACES.at(), {"metadata": {"name": other}})
    operator = await operators.start(PENSTOCK_NAMESPACES=f"{namespace},{other}")
    await operator.process.logged("operator.namespace_refused")
    assert f"{served_metric} 0.0" in await operator.metrics()
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "the one is served")
    await api.create(ROUTES.at(other), model_route("next", models=("next",)))

    role = await api.get(ROLES.at(namespace, ACCOUNT))
    binding = await api.get(ROLE_BINDINGS.at(namespace, ACCOUNT))
    given = {"metadata": {"name": ACCOUNT, "namespace": other}}
    await api.create(ROLES.at(other), {"rules": role["rules"], **given})
    await api.create(ROLE_BINDINGS.at(other), {"roleRef": binding["roleRef"], "subjects": binding["subjects"], **given})
    await api.until(ROUTES.at(other, "next"), served, "the other is served too", timeout_s=10)
    assert f"{served_metric} 1.0" in await operator.metrics()

    async def is_refused() -> bool:
        return f"{served_metric} 0.0" in await operator.metrics()

    await api.delete(NAMESPACES.at(name=other))
    await until(is_refused, "the other is refused", timeout_s=15)
    await api.create(ROUTES.at(namespace), model_route("new", models=("new",)))
    await api.until(ROUTES.at(namespace, "new"), served, "the one goes on")
    assert (await operator.get("/readyz")).status_code == 200
    assert operator.process.events("operator.watch_restarted") == []
