"""Foreign edits of the operator's objects: reverted in the operator's fields, kept in others."""

from typing import Any

import pytest
from harness.kubernetes.api import BUDGETS, DEPLOYMENTS, ROUTES, SERVICE_ACCOUNTS, Api, Manifest, Resource
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.model_routes import model_route, served
from harness.kubernetes.operator_process import OperatorProcess

EVENTS = Resource("events.k8s.io/v1", "events")
WORKER = "main-worker"


async def serve(api: Api, namespace: str) -> Manifest:
    await api.create(ROUTES.at(namespace), model_route())
    return await api.until(ROUTES.at(namespace, "main"), served, "it is served")


async def repairs(api: Api, namespace: str) -> list[str]:
    """The repairs that the operator recorded in Events."""

    def has_repair(events: Any) -> list[str]:
        return [event["note"] for event in events if event["reason"] == "Repaired"]

    return await api.until_all(EVENTS.at(namespace), has_repair, "a repair is reported")


async def test_drift_restores_an_edited_field_with_one_event(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    await serve(api, namespace)
    path = DEPLOYMENTS.at(namespace, WORKER)
    image = (await api.get(path))["spec"]["template"]["spec"]["containers"][0]["image"]
    change = {"spec": {"template": {"spec": {"containers": [{"name": "worker", "image": "test/other:1"}]}}}}
    await api.patch(path, change, kind="strategic-merge")
    await api.until(
        path, lambda one: one["spec"]["template"]["spec"]["containers"][0]["image"] == image, "the image is back"
    )
    (note,) = await repairs(api, namespace)
    assert "image" in note
    assert operator.process.alive


@pytest.mark.parametrize("resource", [DEPLOYMENTS, SERVICE_ACCOUNTS, BUDGETS], ids=lambda resource: resource.plural)
async def test_drift_recreates_a_deleted_object_with_an_event(
    api: Api, namespace: str, operator: OperatorProcess, resource: Resource
) -> None:
    await serve(api, namespace)
    path = resource.at(namespace, WORKER)
    uid = (await api.get(path))["metadata"]["uid"]
    await api.delete(path)
    await api.until(path, lambda one: one["metadata"]["uid"] != uid, "it was made again")
    (note,) = await repairs(api, namespace)
    assert "created again" in note
    assert operator.process.alive


async def test_drift_restores_a_removed_label_of_an_unwatched_object(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    await serve(api, namespace)
    path = DEPLOYMENTS.at(namespace, WORKER)
    label = "app.kubernetes.io/managed-by"
    uid = (await api.get(path))["metadata"]["uid"]
    await api.patch(path, {"metadata": {"labels": {label: None}}})
    back = await api.until(path, lambda one: label in one["metadata"]["labels"], "the label is back")
    assert back["metadata"]["uid"] == uid
    assert operator.process.alive


async def test_drift_keeps_fields_of_other_managers(
    api: Api, namespace: str, kubectl: Kubectl, operator: OperatorProcess
) -> None:
    await serve(api, namespace)
    path = DEPLOYMENTS.at(namespace, WORKER)
    await kubectl("annotate", f"deployment/{WORKER}", "-n", namespace, "example.com/team=red")
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": WORKER, "labels": {"example.com/team": "red"}},
        "spec": {"minReadySeconds": 1},
    }
    await api.apply(path, theirs, manager="somebody-else")
    change = {"spec": {"worker": {"env": [{"name": "COLOUR", "value": "green"}]}}}
    await api.patch(ROUTES.at(namespace, "main"), change)
    live = await api.until(path, lambda one: "COLOUR" in str(one["spec"]["template"]), "our change is there")
    assert live["metadata"]["annotations"]["example.com/team"] == "red"
    assert live["metadata"]["labels"]["example.com/team"] == "red"
    assert live["spec"]["minReadySeconds"] == 1
    assert operator.process.alive


async def test_drift_apply_does_not_own_replicas_and_scaling_owns_nothing_else(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    await serve(api, namespace)
    change = {"spec": {"worker": {"env": [{"name": "COLOUR", "value": "green"}]}}}
    await api.patch(ROUTES.at(namespace, "main"), change)
    path = DEPLOYMENTS.at(namespace, WORKER)
    live = await api.until(path, lambda one: "COLOUR" in str(one["spec"]["template"]), "our change is there")
    owned = {
        entry["manager"]: entry["fieldsV1"]
        for entry in live["metadata"]["managedFields"]
        if entry["manager"].startswith("penstock")
    }
    assert "f:replicas" not in owned["penstock"]["f:spec"]
    assert owned["penstock-scaler"] == {"f:spec": {"f:replicas": {}}}
    assert live["spec"]["replicas"] == 0
    assert operator.process.alive
