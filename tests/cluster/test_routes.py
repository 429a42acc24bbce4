"""A route from its creation to its end, with the operator as its own ServiceAccount under the shipped rules."""

import pytest
from harness.kubernetes.api import BUDGETS, DEPLOYMENTS, NAMESPACES, PODS, ROUTES, SERVICE_ACCOUNTS, Api, Manifest
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.model_routes import catalogue_of, condition, model_route, served, settled
from harness.kubernetes.operator_process import OperatorProcess, Operators
from harness.nats_server import NatsServer
from harness.processes import until

OBJECTS = (DEPLOYMENTS, SERVICE_ACCOUNTS, BUDGETS)


async def test_route_becomes_objects_an_entry_and_a_status(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess
) -> None:
    created = await api.create(ROUTES.at(namespace), model_route())
    route = await api.until(ROUTES.at(namespace, "main"), served, "it is served")
    assert condition(route, "Accepted") == "True Accepted"
    for resource in OBJECTS:
        made = await api.get(resource.at(namespace, "main-worker"))
        (owner,) = made["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (created["metadata"]["uid"], True)
    async with catalogue_of(nats.url) as catalogue:
        entry = await until(lambda: catalogue.get(f"{namespace}.main"), "the entry is there")
    assert [model.name for model in entry.spec.models] == ["simulated"]
    assert operator.process.alive


async def test_route_change_is_published_and_rolls_pods_only_if_needed(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess
) -> None:
    await api.create(ROUTES.at(namespace), model_route())
    path = ROUTES.at(namespace, "main")
    await api.until(path, served, "it is served")
    before = await api.get(DEPLOYMENTS.at(namespace, "main-worker"))

    await api.patch(path, {"spec": {"limits": {"queueDepth": 7}}})
    async with catalogue_of(nats.url) as catalogue:
        await until(lambda: catalogue[f"{namespace}.main"].spec.limits.queue_depth == 7, "the entry has changed")
        await api.until(path, settled, "the status is about the change")
        after = await api.get(DEPLOYMENTS.at(namespace, "main-worker"))
        assert after["metadata"]["generation"] == before["metadata"]["generation"]

        await api.patch(path, {"spec": {"worker": {"env": [{"name": "COLOUR", "value": "green"}]}}})
        rolled = await api.until(
            DEPLOYMENTS.at(namespace, "main-worker"),
            lambda one: one["metadata"]["generation"] > after["metadata"]["generation"],
            "the Deployment has changed",
        )
    assert {"name": "COLOUR", "value": "green"} in rolled["spec"]["template"]["spec"]["containers"][0]["env"]
    assert operator.process.alive


async def test_route_workers_have_the_operators_allowed_addresses_only(
    api: Api, namespace: str, operators: Operators
) -> None:
    operator = await operators.start(PENSTOCK_WORKER_ALLOWED_ADDRESSES="127.0.0.0/8")
    path = ROUTES.at(namespace, "main")
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(path, served, "it is served")
    made = await api.get(DEPLOYMENTS.at(namespace, "main-worker"))
    variable = {"name": "PENSTOCK_ALLOWED_ADDRESSES", "value": "127.0.0.0/8"}
    assert variable in made["spec"]["template"]["spec"]["containers"][0]["env"]

    await api.patch(path, {"spec": {"worker": {"env": [variable | {"value": "0.0.0.0/0"}]}}})
    await api.until(path, lambda one: condition(one, "Accepted").startswith("False"), "it is refused")
    kept = await api.get(DEPLOYMENTS.at(namespace, "main-worker"))
    assert kept["metadata"]["generation"] == made["metadata"]["generation"]
    assert operator.process.alive


async def test_route_deletion_removes_its_objects_and_entry(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess
) -> None:
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(ROUTES.at(namespace, "main"), served, "it is served")
    async with catalogue_of(nats.url) as catalogue:
        assert f"{namespace}.main" in catalogue
        await api.delete(ROUTES.at(namespace, "main"))
        await until(lambda: f"{namespace}.main" not in catalogue, "the entry is gone")
    for resource in OBJECTS:
        await api.gone(resource.at(namespace, "main-worker"))
    assert operator.process.alive


async def test_operator_reconciles_changes_made_during_its_absence(
    api: Api, namespace: str, nats: NatsServer, operators: Operators
) -> None:
    first = await operators.start()
    for name in ("goes", "stays"):
        await api.create(ROUTES.at(namespace), model_route(name, models=(name,)))
        await api.until(ROUTES.at(namespace, name), served, "it is served")
    first.process.terminate()
    await until(lambda: not first.process.alive, "the operator has ended")
    await api.delete(ROUTES.at(namespace, "goes"))
    await api.delete(DEPLOYMENTS.at(namespace, "stays-worker"))
    await api.create(ROUTES.at(namespace), model_route("comes", models=("comes",)))
    async with catalogue_of(nats.url) as catalogue:
        await operators.start()
        await until(lambda: set(catalogue) == {f"{namespace}.stays", f"{namespace}.comes"}, "the catalogue is right")
    await api.until(DEPLOYMENTS.at(namespace, "stays-worker"), lambda _: True, "the Deployment is back")


async def test_route_older_owner_keeps_a_model_name_until_it_is_deleted(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    await api.create(ROUTES.at(namespace), model_route("older"))
    await api.until(ROUTES.at(namespace, "older"), served, "it is served")
    await api.create(ROUTES.at(namespace), model_route("younger"))
    younger = await api.until(ROUTES.at(namespace, "younger"), settled, "a status")
    assert condition(younger, "Accepted") == "False ModelNameConflict"
    assert await api.find(DEPLOYMENTS.at(namespace, "younger-worker")) is None
    await api.delete(ROUTES.at(namespace, "older"))
    await api.until(
        ROUTES.at(namespace, "younger"), lambda r: condition(r, "Accepted") == "True Accepted", "the name is free"
    )
    await api.until(DEPLOYMENTS.at(namespace, "younger-worker"), lambda _: True, "it is served")
    assert operator.process.alive


# Requests above limits: the rules of a route do not compare quantities, those of a pod do. And an unknown
# field, which an apply answers with a 500.
CPU = {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}
CPU_MENDED = {"resources": {"requests": {"cpu": "1"}}}


@pytest.mark.parametrize(
    ("refused", "words", "mended"),
    [
        pytest.param(CPU, "must be less than or equal to cpu limit", CPU_MENDED, id="a value that is none"),
        pytest.param(
            {"tolerations": [{"tolerationSecond": 5}]},
            # The definition's schema has pruned the field, and an empty toleration is left.
            "must be Exists when `key` is empty",
            {"tolerations": []},
            id="a toleration of nothing",
        ),
    ],
)
async def test_route_version_rejected_by_the_api_server_leaves_the_last_good_one(
    refused: Manifest,
    words: str,
    mended: Manifest,
    api: Api,
    namespace: str,
    nats: NatsServer,
    operator: OperatorProcess,
) -> None:
    path = ROUTES.at(namespace, "main")
    await api.create(ROUTES.at(namespace), model_route())
    await api.until(path, served, "it is served")
    await api.patch(path, {"spec": {"worker": refused, "limits": {"queueDepth": 7}}})
    rejected = await api.until(path, settled, "a status about the change")
    assert condition(rejected, "Accepted") == "False InvalidSpec"
    assert words in str(rejected["status"]["conditions"])
    async with catalogue_of(nats.url) as catalogue:
        assert catalogue[f"{namespace}.main"].spec.limits.queue_depth != 7
        assert catalogue[f"{namespace}.main"].ready
        await api.patch(path, {"spec": {"worker": mended}})
        await until(lambda: catalogue[f"{namespace}.main"].spec.limits.queue_depth == 7, "the entry has changed")
    await api.until(path, lambda r: condition(r, "Accepted") == "True Accepted", "it is accepted")
    assert operator.process.alive


@pytest.mark.timeout(120)
async def test_operator_absence_does_not_block_the_deletion_of_a_namespace(
    api: Api, cluster: Cluster, namespace: str, operators: Operators
) -> None:
    del cluster
    operator = await operators.start()
    # With a pod; its grace is short, as the namespace's own controller looks again only after half of the longest.
    limits = {"requestTimeoutSeconds": 1, "firstTokenTimeoutSeconds": 0.5}
    worker = {"terminationGracePeriodSeconds": 1}
    manifest = model_route(scaling={"minReplicas": 1}, limits=limits, worker=worker)
    await api.create(ROUTES.at(namespace), manifest)
    await api.until(ROUTES.at(namespace, "main"), served, "it is served", timeout_s=30)
    assert await api.list(PODS.at(namespace))
    operator.process.kill()
    route = await api.get(ROUTES.at(namespace, "main"))
    assert "finalizers" not in route["metadata"]
    await api.delete(NAMESPACES.at(name=namespace))
    await api.gone(NAMESPACES.at(name=namespace), timeout_s=40)


async def test_operator_writes_nothing_in_steady_state(
    api: Api, cluster: Cluster, namespace: str, operators: Operators
) -> None:
    await operators.start(PENSTOCK_RESYNC_S="10")
    for number in range(5):
        await api.create(ROUTES.at(namespace), model_route(f"r{number}", models=(f"m{number}",)))
    for number in range(5):
        await api.until(
            ROUTES.at(namespace, f"r{number}"),
            lambda r: condition(r, "Serving") == "True Idle" and condition(r, "ScalingActive") == "True Active",
            "it is served",
        )

    def renewals(mark: int) -> int:
        return sum(write.resource == "leases" for write in operators.writes(mark))

    # The last numbers of a status may be written some seconds after its conditions.
    made = cluster.plane.audit_log.mark()
    await until(lambda: renewals(made) >= 4, "the lease was renewed", timeout_s=30)
    mark = cluster.plane.audit_log.mark()
    # Seven renewals are fourteen seconds: more than a watch's life, and than the time between two whole lists.
    await until(lambda: renewals(mark) >= 7, "the lease was renewed", timeout_s=30)
    assert [write for write in operators.writes(mark) if write.resource != "leases"] == []
