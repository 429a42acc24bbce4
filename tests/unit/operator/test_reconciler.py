"""One pass over a route: the order of its steps, and no writes in steady state."""

import msgspec
from unit.support.reconcilers import KEY, Stage, changed, stage
from unit.support.routes import provider, secret, spec_document

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.reconcile.status_writer import FIRST_LOOK_S, STATUS_EVERY_S
from penstock_operator.status.scaling_view import Autoscaling, ScalingView


async def test_reconciler_writes_objects_then_entry_then_status_of_a_new_route() -> None:
    made = Stage()
    made.put()
    assert await made.run() == [
        "apply ServiceAccount",
        "apply Deployment",
        "scale team/main-worker 0",
        "apply PodDisruptionBudget",
        "publish",
        "status",
    ]
    assert made.conditions()["Accepted"] == "True Accepted"


async def test_reconciler_writes_nothing_in_steady_state() -> None:
    made = await stage()
    assert await made.run() == []


async def test_reconciler_plans_a_spec_from_the_response_to_a_status_in_another_pass() -> None:
    made = await stage()
    made.put(**changed(limits={"queueDepth": 7}))
    # The watch will report it.
    made.meanwhile["status"] = lambda: made.put(spec_document(limits={"queueDepth": 8}), generation=3)
    assert await made.run() == ["publish", "status"]
    assert made.again == [(KEY, 0.0)]
    assert await made.run() == ["publish", "status"]
    assert made.broker.entries["team.main"].spec.limits.queue_depth == 8


async def test_reconciler_only_publishes_a_change_without_effect_on_pods() -> None:
    made = await stage()
    made.put(**changed(limits={"queueDepth": 7}))
    assert await made.run() == ["publish", "status"]
    assert made.broker.entries["team.main"].spec.limits.queue_depth == 7


async def test_reconciler_creates_a_deleted_object_again_with_one_event() -> None:
    made = await stage()
    for _ in range(2):
        made.cache.observe(
            resources.SERVICE_ACCOUNTS,
            made.cache._objects[resources.SERVICE_ACCOUNTS]["team", "main-worker"],
            deleted=True,
        )
        assert "apply ServiceAccount" in await made.run()
    assert [event["reason"] for event in made.events] == ["Repaired"]


async def test_reconciler_writes_a_frequently_changing_status_every_few_seconds() -> None:
    made = await stage()
    made.scaling = ScalingView(desired=3, autoscaling=Autoscaling())
    assert await made.run() == ["status"]
    made.again.clear()
    made.scaling = ScalingView(desired=4, autoscaling=Autoscaling())
    assert await made.run() == []
    assert made.again == [(KEY, STATUS_EVERY_S)]
    made.clock.advance(STATUS_EVERY_S)
    assert await made.run() == ["status"]
    assert made.statuses[-1]["desiredReplicas"] == 4


async def test_reconciler_writes_a_changed_condition_at_once() -> None:
    made = await stage()
    made.scaling = ScalingView(desired=3, autoscaling=Autoscaling())
    assert await made.run() == ["status"]
    made.scaling = ScalingView(autoscaling=Autoscaling("BrokerUnavailable", message="away"))
    assert await made.run() == ["status", "event"]
    assert made.conditions()["ScalingActive"] == "False BrokerUnavailable"


async def test_reconciler_queues_the_routes_that_claim_a_changed_name() -> None:
    made = await stage()
    other = ("team", "other")
    made.put(name="other", uid="u2", creationTimestamp="2026-01-02T00:00:00Z")
    made.registry.update(other, made.cache.routes()[other])
    await made.run()
    assert (other, 0.0) in made.again
    made.again.clear()
    made.take_away()
    await made.run()
    assert (other, 0.0) in made.again


async def test_reconciler_continues_when_an_event_cannot_be_created() -> None:
    made = await stage()
    made.errors["event"] = ApiError("Forbidden", "no")
    account = made.cache._objects[resources.SERVICE_ACCOUNTS]["team", "main-worker"]
    made.cache.observe(resources.SERVICE_ACCOUNTS, account, deleted=True)
    assert await made.run() == ["apply ServiceAccount"]


async def test_reconciler_new_deployment_has_the_autoscalers_last_number() -> None:
    made = Stage()
    made.put()
    made.scaling = ScalingView(desired=4, autoscaling=Autoscaling())
    assert "scale team/main-worker 4" in await made.run()


async def test_reconciler_new_leader_keeps_conditions_that_it_has_not_observed_yet() -> None:
    made = await stage()
    made.scaling = ScalingView()
    assert await made.run() == []
    assert made.again == [(KEY, FIRST_LOOK_S)]
    made.scaling = ScalingView(autoscaling=Autoscaling())
    assert await made.run() == []


async def test_reconciler_reports_an_autoscaler_without_observations() -> None:
    made = await stage()
    made.scaling = ScalingView()
    await made.run()
    made.clock.advance(FIRST_LOOK_S)
    assert await made.run() == ["status"]
    assert made.conditions()["ScalingActive"] == "Unknown NotChecked"


async def test_reconciler_reports_a_failing_provider_by_condition_and_one_warning() -> None:
    made = await stage({**spec_document(), "providers": [provider("p", **secret("openai"))]})
    for _ in range(2):
        made.scaling = msgspec.structs.replace(made.scaling, failing=("p", "of an older version"))
        await made.run()
    assert made.conditions()["Degraded"] == "True ProviderFailing"
    assert [(event["type"], event["reason"]) for event in made.events] == [("Warning", "ProviderFailing")]
    assert made.events[0]["note"] == "the last calls of the provider p failed"
    made.scaling = msgspec.structs.replace(made.scaling, failing=())
    await made.run()
    assert made.conditions()["Degraded"] == "False AsExpected"


async def test_reconciler_reports_a_rejected_key_by_condition_and_one_warning() -> None:
    made = await stage({**spec_document(), "providers": [provider("p", **secret("openai"))]})
    for _ in range(2):
        made.scaling = msgspec.structs.replace(made.scaling, refusing_keys=("p",))
        await made.run()
    assert made.conditions()["Degraded"] == "True ProviderAuthFailed"
    assert [(event["type"], event["reason"]) for event in made.events] == [("Warning", "ProviderAuthFailed")]
    assert "the provider p rejects the key key of the Secret openai" in made.events[0]["note"]
    made.scaling = msgspec.structs.replace(made.scaling, refusing_keys=())
    await made.run()
    assert made.conditions()["Degraded"] == "False AsExpected"
