"""The plan of a route's objects and its catalogue entry."""

from typing import Any

import msgspec
import pytest
from unit.support.plans import deployment_of, exists, kinds, planned, published, route
from unit.support.routes import UID, spec, spec_document

from penstock_contract.route.spec import ModelRouteSpec

KINDS = ["ServiceAccount", "Deployment", "PodDisruptionBudget"]


def test_plan_of_a_new_route_has_its_objects_and_its_entry() -> None:
    made = planned()

    assert kinds(made) == KINDS
    assert made.acceptance.accepted
    assert made.entry == published()
    assert made.repairs == made.delete == ()
    assert made.blocked == ""


@pytest.mark.parametrize(
    ("scaling", "desired", "first"),
    [
        ({}, None, 0),
        ({"minReplicas": 2}, None, 2),
        ({"mode": "Manual", "replicas": 4}, None, 4),
        ({"minReplicas": 2}, 5, 5),
        ({}, 0, 0),
    ],
    ids=["zero", "the least", "by hand", "the autoscaler's", "the autoscaler's zero"],
)
def test_plan_creates_a_deployment_with_the_number_of_workers(
    scaling: dict[str, Any], desired: int | None, first: int
) -> None:
    made = planned(route(spec_document(scaling=scaling)), desired=desired)
    assert deployment_of(made)["spec"]["replicas"] == first


def test_plan_of_equal_objects_is_empty() -> None:
    made = planned(exists=exists(), before=published())

    assert made.apply == made.delete == made.repairs == ()
    assert not made.applying


def test_plan_applies_nothing_for_a_change_that_the_catalogue_carries() -> None:
    changed = spec_document(models=[{"name": "gpt"}, {"name": "new"}], limits={"queueDepth": 9})

    made = planned(route(changed), exists(), before=published())

    assert made.apply == ()
    assert made.entry == published(msgspec.convert(changed, ModelRouteSpec))


def test_plan_applies_a_changed_pod_template_without_replicas_and_reports_no_edit() -> None:
    made = planned(route(spec_document(worker={"image": "penstock:2"})), exists(), before=published())

    assert kinds(made) == ["Deployment"]
    assert "replicas" not in deployment_of(made)["spec"]
    assert made.repairs == ()
    assert made.applying


def test_plan_keeps_a_number_owned_by_the_operator_alone_and_applies_it_to_the_read_version_only() -> None:
    made = planned(route(spec_document(worker={"image": "penstock:2"})), exists(owned=False), before=published())

    assert deployment_of(made)["spec"]["replicas"] == 1
    assert deployment_of(made)["metadata"]["resourceVersion"] == "7"
    assert planned(exists=exists(owned=False), before=published()).apply == ()


def test_plan_reverts_an_edit_and_describes_it() -> None:
    there = exists()
    assert there.deployment is not None
    there.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "evil"

    made = planned(exists=there, before=published())

    assert kinds(made) == ["Deployment"]
    assert made.repairs == ("Deployment main-worker: reverted spec.template.spec.containers[worker].image",)


@pytest.mark.parametrize("kind", ["service_account", "deployment", "disruption_budget"])
def test_plan_creates_a_deleted_object_again_and_describes_it(kind: str) -> None:
    made = planned(exists=msgspec.structs.replace(exists(), **{kind: None}), before=published())

    assert len(made.apply) == len(made.repairs) == 1
    assert made.repairs[0].endswith(" main-worker: created again after it was deleted")


def test_plan_applies_and_deletes_a_disruption_budget_as_needed() -> None:
    alone, many = route(spec_document(scaling={"maxReplicas": 1})), route()

    gone = planned(alone, exists(), before=published())
    come = planned(many, exists(alone), before=published(spec(scaling={"maxReplicas": 1})))

    assert gone.delete == (("PodDisruptionBudget", "main-worker"),)
    assert gone.apply == gone.repairs == ()
    assert kinds(come) == ["PodDisruptionBudget"]
    assert come.repairs == come.delete == ()


@pytest.mark.parametrize(
    ("metadata", "blocked"),
    [
        ({"ownerReferences": [{"uid": "other", "controller": True}]}, "belongs to another owner"),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, "is being deleted"),
    ],
    ids=["of another owner", "terminating"],
)
def test_plan_leaves_an_object_of_another_owner_alone_and_describes_it(metadata: dict[str, Any], blocked: str) -> None:
    there = exists()
    for live in (there.deployment, there.disruption_budget):
        assert live is not None
        live["metadata"] |= metadata
        live["spec"]["selector"] = {}

    made = planned(exists=there, before=published())

    assert made.apply == made.repairs == ()
    assert made.blocked == f"Deployment main-worker {blocked}; PodDisruptionBudget main-worker {blocked}"
    assert planned(route(spec_document(scaling={"maxReplicas": 1})), there).delete == ()


def test_plan_adopts_an_object_without_an_owner_again() -> None:
    there = exists()
    assert there.deployment is not None
    del there.deployment["metadata"]["ownerReferences"]

    made = planned(exists=there, before=published())

    assert kinds(made) == ["Deployment"]
    assert deployment_of(made)["metadata"]["ownerReferences"][0]["uid"] == UID


def test_plan_of_a_terminating_route_keeps_and_restores_nothing() -> None:
    going = route(deletionTimestamp="2026-01-01T00:00:00Z")

    made = planned(going, before=published())

    assert made.apply == made.delete == made.repairs == ()
    assert made.entry is None
