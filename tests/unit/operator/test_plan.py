"""From a route and what exists to what should."""

import copy
import secrets
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from unit.support.routes import (
    CREATED_AT,
    UID,
    pod,
    provider,
    ready_pod,
    route_body,
    secret,
    spec,
    spec_document,
    waiting,
)

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.kube.resources import FIELD_MANAGER
from penstock_operator.kube.watch.cache import Snapshot
from penstock_operator.nats.keys import NatsKeys
from penstock_operator.reconcile.owned_object import Manifest
from penstock_operator.reconcile.plan import Plan, needed, plan
from penstock_operator.reconcile.pod_template import WorkerDefaults
from penstock_operator.routes.model_ownership import Claimant, assign, last_good, names
from penstock_operator.routes.parser import Route, read, refuse

DEFAULTS = WorkerDefaults(image="penstock:1", nats_url="nats://broker")
NOTHING = Snapshot(None, None, None, None, [])
KINDS = ["ServiceAccount", "Deployment", "PodDisruptionBudget"]


def route(document: Any = None, **metadata: Any) -> Route:
    return read(route_body(document, **metadata))


def other(*names_: str, at: int = 0) -> Claimant:
    return Claimant(namespace="else", name="other", created_at=at, wanted=spec(*names_))


def published(served: ModelRouteSpec | None = None, **fields: Any) -> CatalogueEntry:
    given = {"namespace": "team", "name": "main", "created_at": CREATED_AT, "spec": served or spec()}
    return CatalogueEntry(**(given | fields))


def planned(
    of: Route | None = None,
    exists: Snapshot = NOTHING,
    *others: Claimant,
    before: CatalogueEntry | None = None,
    **known: Any,
) -> Plan:
    of = of or route()
    claimant = Claimant(
        namespace=of.namespace,
        name=of.name,
        created_at=of.created_at,
        wanted=None if of.problem else of.spec,
        last_good=last_good(of, before),
    )
    return plan(of, exists, assign([claimant, *others]), before, DEFAULTS, **known)


def exists(of: Route | None = None, *, pods: list[dict[str, Any]] | None = None, owned: bool = True) -> Snapshot:
    """What the API server has once everything was applied; `owned`: the scaler has made the number its own."""
    made = {manifest["kind"]: copy.deepcopy(manifest) for manifest in planned(of).apply}
    for manifest in made.values():
        manifest["metadata"]["resourceVersion"] = "7"
    live = made["Deployment"]
    owner = ("penstock-scaler", "Update") if owned else (FIELD_MANAGER, "Apply")
    fields = {"manager": owner[0], "operation": owner[1], "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    live["metadata"]["managedFields"] = [fields]
    live["metadata"]["generation"] = 1
    live["status"] = {"observedGeneration": 1}
    live["spec"]["replicas"] = 1
    return Snapshot(
        None, live, made.get("PodDisruptionBudget"), made["ServiceAccount"], [ready_pod()] if pods is None else pods
    )


def kinds(made: Plan) -> list[str]:
    return [manifest["kind"] for manifest in made.apply]


def deployment_of(made: Plan) -> Manifest:
    return next(manifest for manifest in made.apply if manifest["kind"] == "Deployment")


# Objects


def test_a_new_route_gets_its_objects_and_its_entry() -> None:
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
def test_a_new_deployment_begins_with_the_right_number(
    scaling: dict[str, Any], desired: int | None, first: int
) -> None:
    made = planned(route(spec_document(scaling=scaling)), desired=desired)
    assert deployment_of(made)["spec"]["replicas"] == first


def test_what_is_as_wanted_is_left_alone() -> None:
    made = planned(exists=exists(), before=published())

    assert made.apply == made.delete == made.repairs == ()
    assert not made.applying


def test_a_change_that_the_catalogue_carries_applies_nothing() -> None:
    changed = spec_document(models=[{"name": "gpt"}, {"name": "new"}], limits={"queueDepth": 9})

    made = planned(route(changed), exists(), before=published())

    assert made.apply == ()
    assert made.entry == published(msgspec.convert(changed, ModelRouteSpec))


def test_a_change_of_the_pods_is_applied_without_their_number_and_is_nobodys_edit() -> None:
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
    ids=["somebody else's", "going"],
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


def test_of_a_route_that_is_being_deleted_nothing_is_kept_and_nothing_put_back() -> None:
    going = route(deletionTimestamp="2026-01-01T00:00:00Z")

    made = planned(going, before=published())

    assert made.apply == made.delete == made.repairs == ()
    assert made.entry is None


# Acceptance

UNREADABLE = spec_document(newer=1)
BROKEN_RULE = spec_document(scaling={"minReplicas": 9, "maxReplicas": 2})
OTHER_IMAGE = spec_document(worker={"image": "penstock:2", "tolerations": [{"operator": "Wrong"}]})


@pytest.mark.parametrize(
    "bad",
    [route(UNREADABLE), route(BROKEN_RULE), refuse(route(OTHER_IMAGE), "tolerations: Unsupported value")],
    ids=["unreadable", "against a rule", "refused by the API server"],
)
def test_a_spec_that_cannot_be_served_leaves_the_last_good_version_serving(bad: Route) -> None:
    made = planned(bad, exists(), before=published())

    assert made.acceptance.reason == "InvalidSpec"
    assert made.acceptance.message == bad.problem
    assert made.serves == spec()
    assert made.entry == published()
    assert made.apply == ()


def test_a_last_good_version_is_repaired_too() -> None:
    made = planned(route(UNREADABLE), msgspec.structs.replace(exists(), deployment=None), before=published())
    assert kinds(made) == ["Deployment"]


@pytest.mark.parametrize(
    "before",
    [None, published(created_at=CREATED_AT - 1), published(ready=False)],
    ids=["never served", "of an earlier route of that name", "told only why it was not ready"],
)
def test_plan_publishes_the_reason_without_a_last_good_version(before: CatalogueEntry | None) -> None:
    made = planned(route(BROKEN_RULE), before=before)

    assert made.serves is None
    assert made.apply == ()
    assert made.entry is not None
    assert (made.entry.ready, made.entry.reason) == (False, "its configuration is not valid (InvalidSpec)")
    assert planned(route(UNREADABLE), before=before).entry is None


def test_a_name_that_an_older_route_has_is_refused_and_its_owner_named() -> None:
    made = planned(route(spec_document("x", "y")), NOTHING, other("x"))

    assert made.acceptance.reason == "ModelNameConflict"
    assert made.acceptance.message == "the model x belongs to the route else/other"
    assert made.apply == ()
    assert made.entry is not None
    assert not made.entry.ready
    assert names(made.entry.spec) == ["y"]
    assert "else/other" not in made.entry.reason


def test_plan_publishes_no_entry_for_a_route_without_a_name_of_its_own() -> None:
    assert planned(route(spec_document("x")), NOTHING, other("x")).entry is None


def test_a_conflict_leaves_the_last_good_version_serving() -> None:
    before = published(spec("y"))

    made = planned(route(spec_document("x", "y")), exists(route(spec_document("y"))), other("x"), before=before)

    assert made.acceptance.reason == "ModelNameConflict"
    assert made.entry == before
    assert made.apply == ()


def test_plan_shortens_the_message_of_many_conflicts() -> None:
    many = [str(number) for number in range(9)]
    made = planned(route(spec_document(*many)), NOTHING, other(*many))

    assert made.acceptance.message.count("belongs to") == 5
    assert made.acceptance.message.endswith("; 4 more names belong to other routes")


def test_a_route_that_is_older_is_not_disturbed() -> None:
    made = planned(route(spec_document("x")), NOTHING, other("x", at=CREATED_AT + 1))
    assert made.acceptance.accepted


# Messages


@pytest.mark.parametrize(
    ("pods", "told"),
    [
        ([ready_pod()], ""),
        (
            [pod(state=waiting("ErrImagePull", "denied"))],
            "the image of its workers cannot be pulled (ImagePullFailed)",
        ),
    ],
)
def test_plan_entry_has_the_reason_why_no_worker_serves(pods: list[dict[str, Any]], told: str) -> None:
    made = planned(exists=exists(pods=pods), before=published())

    assert made.entry is not None
    assert made.entry.ready
    assert made.entry.cause == told


def test_plan_does_not_count_draining_workers_as_ready() -> None:
    there = exists(pods=[ready_pod("a"), ready_pod("b")])

    assert planned(exists=there, before=published(), draining={"a"}).survey.ready == 1


def test_a_secret_reaches_the_workers_by_reference_only() -> None:
    keyed = spec_document(providers=[provider(**secret("openai"))])
    (container,) = deployment_of(planned(route(keyed)))["spec"]["template"]["spec"]["containers"]

    assert {"name": "OPENAI_KEY", "valueFrom": {"secretKeyRef": {"name": "openai", "key": "key"}}} in container["env"]


def test_the_deployment_mounts_the_secret_that_the_plan_wants() -> None:
    minting = replace(DEFAULTS, signing_key=NatsKeys.new(secrets.token_bytes, 1_790_000_000).signing_key)
    of = route()
    ownership = assign(
        [Claimant(namespace=of.namespace, name=of.name, created_at=of.created_at, wanted=of.spec, last_good=None)]
    )
    made = plan(of, NOTHING, ownership, None, minting)
    assert made.credentials is not None
    (template,) = [one["spec"]["template"] for one in made.apply if one["kind"] == "Deployment"]
    mounted = {"name": "nats", "secret": {"secretName": made.credentials["metadata"]["name"]}}
    assert mounted in template["spec"]["volumes"]
    assert [one["spec"]["template"] for one in needed(of, NOTHING, minting) if one["kind"] == "Deployment"] == [
        template
    ]
    assert planned().credentials is None
