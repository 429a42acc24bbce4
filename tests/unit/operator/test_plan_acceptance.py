"""The plan of a version that cannot be served, and the messages for its clients."""

import secrets
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from unit.support.plans import DEFAULTS, NOTHING, deployment_of, exists, kinds, planned, published, route
from unit.support.routes import CREATED_AT, pod, provider, ready_pod, secret, spec, spec_document, waiting

from penstock_contract.catalogue import CatalogueEntry
from penstock_operator.nats.keys import NatsKeys
from penstock_operator.reconcile.plan import needed, plan
from penstock_operator.routes.model_ownership import Claimant, ClaimRule, assign, names
from penstock_operator.routes.parser import Route, refuse


def other(*names_: str, at: int = 0) -> Claimant:
    return Claimant(namespace="else", name="other", created_at=at, wanted=spec(*names_))


UNREADABLE = spec_document(newer=1)
BROKEN_RULE = spec_document(scaling={"minReplicas": 9, "maxReplicas": 2})
OTHER_IMAGE = spec_document(worker={"image": "penstock:2", "tolerations": [{"operator": "Wrong"}]})


@pytest.mark.parametrize(
    "bad",
    [route(UNREADABLE), route(BROKEN_RULE), refuse(route(OTHER_IMAGE), "tolerations: Unsupported value")],
    ids=["unreadable", "against a rule", "refused by the API server"],
)
def test_plan_keeps_the_last_good_version_of_an_unservable_spec_serving(bad: Route) -> None:
    made = planned(bad, exists(), before=published())

    assert made.acceptance.reason == "InvalidSpec"
    assert made.acceptance.message == bad.problem
    assert made.serves == spec()
    assert made.entry == published()
    assert made.apply == ()


def test_plan_restores_an_object_of_a_last_good_version() -> None:
    made = planned(route(UNREADABLE), msgspec.structs.replace(exists(), deployment=None), before=published())
    assert kinds(made) == ["Deployment"]


@pytest.mark.parametrize(
    "before",
    [None, published(created_at=CREATED_AT - 1), published(ready=False)],
    ids=["never served", "of an earlier route of that name", "only a reason was published"],
)
def test_plan_publishes_the_reason_without_a_last_good_version(before: CatalogueEntry | None) -> None:
    made = planned(route(BROKEN_RULE), before=before)

    assert made.serves is None
    assert made.apply == ()
    assert made.entry is not None
    assert (made.entry.ready, made.entry.reason) == (False, "its configuration is not valid (InvalidSpec)")
    assert planned(route(UNREADABLE), before=before).entry is None


def test_plan_rejects_the_name_of_an_older_route_and_names_its_owner() -> None:
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


def test_plan_keeps_the_last_good_version_serving_in_a_conflict() -> None:
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


def test_plan_of_an_older_route_is_unchanged_by_a_conflict() -> None:
    made = planned(route(spec_document("x")), NOTHING, other("x", at=CREATED_AT + 1))
    assert made.acceptance.accepted


@pytest.mark.parametrize(
    ("pods", "client_reason"),
    [
        ([ready_pod()], ""),
        (
            [pod(state=waiting("ErrImagePull", "denied"))],
            "the image of its workers cannot be pulled (ImagePullFailed)",
        ),
    ],
)
def test_plan_entry_has_the_reason_why_no_worker_serves(pods: list[dict[str, Any]], client_reason: str) -> None:
    made = planned(exists=exists(pods=pods), before=published())

    assert made.entry is not None
    assert made.entry.ready
    assert made.entry.cause == client_reason


def test_plan_does_not_count_draining_workers_as_ready() -> None:
    there = exists(pods=[ready_pod("a"), ready_pod("b")])

    assert planned(exists=there, before=published(), draining={"a"}).survey.ready == 1


def test_plan_passes_secrets_to_workers_by_reference_only() -> None:
    keyed = spec_document(providers=[provider(**secret("openai"))])
    (container,) = deployment_of(planned(route(keyed)))["spec"]["template"]["spec"]["containers"]

    assert {"name": "OPENAI_KEY", "valueFrom": {"secretKeyRef": {"name": "openai", "key": "key"}}} in container["env"]


def test_plan_deployment_mounts_the_planned_secret() -> None:
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


def test_plan_rejects_a_name_that_a_rule_forbids_and_publishes_it_in_no_form() -> None:
    of = route(spec_document("x", "y"))
    assert of.spec is not None
    claimant = Claimant(namespace="team", name="main", created_at=CREATED_AT, wanted=of.spec)
    ownership = assign([claimant], (ClaimRule(namespaces=("team",), models=("y",)),))

    made = plan(of, NOTHING, ownership, None, DEFAULTS)

    assert made.acceptance.reason == "ModelNameNotPermitted"
    assert made.acceptance.message == "routes of the namespace team may not claim the model x"
    assert (made.entry, made.apply, made.serves) == (None, (), None)
