"""A version that cannot be applied: the last good one serves, and the status has the reason."""

from typing import Any

import pytest
from unit.support.reconcilers import KEY, Stage, changed, stage
from unit.support.routes import route_body, spec_document

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import FORBIDDEN_AGAIN_S, ApiError
from penstock_operator.reconcile.reconciler import FAILED_AGAIN_S
from penstock_operator.reconcile.status_writer import STATUS_EVERY_S
from penstock_operator.work_queue import Later


async def test_reconciler_keeps_the_last_good_version_of_a_spec_that_the_api_server_rejects() -> None:
    made = await stage()
    made.errors["apply Deployment"] = ApiError("Invalid", "cpu request above limit")
    made.put(**changed(worker={"env": [{"name": "A", "value": "b"}]}, limits={"queueDepth": 7}))
    with pytest.raises(Later):
        await made.run()
    assert "publish" not in made.journal
    with pytest.raises(Later) as later:
        await made.run()
    assert later.value.delay_s == FORBIDDEN_AGAIN_S
    assert made.journal == ["status", "event"]
    assert made.conditions()["Accepted"] == "False InvalidSpec"
    assert made.conditions()["Serving"] == "True Idle"
    assert made.broker.entries["team.main"].spec.limits.queue_depth != 7


async def test_reconciler_serves_a_version_that_is_no_longer_rejected_without_a_change_of_the_route() -> None:
    made = await stage()
    made.errors["apply Deployment"] = ApiError("Invalid", "not on Sundays")
    made.put(**changed(worker={"env": [{"name": "A", "value": "b"}]}))
    for _ in range(2):
        with pytest.raises(Later):
            await made.run()
    made.errors["apply Deployment"] = ApiError("Invalid", "not on Mondays")
    made.clock.advance(STATUS_EVERY_S)
    with pytest.raises(Later):
        await made.run()
    assert "not on Mondays" in str(made.statuses[-1]["conditions"])
    made.errors.clear()
    assert "apply Deployment" in await made.run()
    assert made.conditions()["Accepted"] == "True Accepted"


async def test_reconciler_assigns_a_rejection_to_the_version_that_was_applied() -> None:
    made = await stage()
    made.put(**changed(worker={"env": [{"name": "A", "value": "b"}]}))

    def mended_too_late() -> None:
        made.put(spec_document(limits={"queueDepth": 9}), generation=3)
        made.registry.update(KEY, made.cache.routes()[KEY])
        raise ApiError("Invalid", "no")

    made.meanwhile["apply Deployment"] = mended_too_late
    with pytest.raises(Later):
        await made.run()
    assert not made.registry.routes[KEY].problem
    await made.run()
    assert made.conditions()["Accepted"] == "True Accepted"
    assert made.broker.entries["team.main"].spec.limits.queue_depth == 9


async def test_reconciler_rejected_last_good_version_does_not_affect_the_owner_of_its_name() -> None:
    made = await stage()
    older = route_body(spec_document("taken"), name="older", uid="u0", creationTimestamp="2025-01-01T00:00:00Z")
    made.registry.update(("team", "older"), older)
    made.put(**changed(models=[{"name": "taken"}]))
    made.cache.observe(
        resources.DEPLOYMENTS, made.cache._objects[resources.DEPLOYMENTS]["team", "main-worker"], deleted=True
    )
    made.errors["apply Deployment"] = ApiError("Invalid", "no")
    with pytest.raises(Later, match="no"):
        await made.run()
    assert made.conditions()["Accepted"] == "False ModelNameConflict"
    assert made.conditions()["Degraded"] == "True ApplyFailed"


async def test_reconciler_reports_an_unavailable_admission_webhook_and_retries_soon() -> None:
    made = Stage()
    made.put()
    made.errors["apply Deployment"] = ApiError("Failed", "failed calling webhook")
    with pytest.raises(Later) as later:
        await made.run()
    assert later.value.delay_s == FAILED_AGAIN_S
    assert made.conditions()["Ready"] == "False ApplyFailed"
    made.errors.clear()
    await made.run()
    assert made.conditions()["Degraded"] == "False AsExpected"


async def test_reconciler_drops_a_rejected_version_at_the_next_change() -> None:
    made = await stage()
    made.errors["apply Deployment"] = ApiError("Invalid", "no")
    made.put(**changed(worker={"env": [{"name": "A", "value": "b"}]}))
    with pytest.raises(Later):
        await made.run()
    made.errors.clear()
    made.put(spec_document(limits={"queueDepth": 9}), generation=3)
    await made.run()
    assert made.conditions()["Accepted"] == "True Accepted"
    assert made.broker.entries["team.main"].spec.limits.queue_depth == 9


async def test_reconciler_reports_a_missing_right_and_retries_later() -> None:
    made = Stage()
    made.put()
    made.errors["apply Deployment"] = ApiError("Forbidden", "may not create")
    with pytest.raises(Later) as later:
        await made.run()
    assert later.value.delay_s == FORBIDDEN_AGAIN_S
    assert made.journal == ["apply ServiceAccount", "status", "event"]
    assert made.conditions()["Degraded"] == "True ApplyFailed"
    made.errors.clear()
    assert "publish" in await made.run()
    assert made.conditions()["Degraded"] == "False AsExpected"


@pytest.mark.parametrize("kind", ["Forbidden", "Failed"])
async def test_reconciler_status_names_the_served_version_while_another_cannot_be_applied(kind: Any) -> None:
    made = await stage()
    made.errors["apply Deployment"] = ApiError(kind, "may not patch")
    made.put(**changed(worker={"env": [{"name": "A", "value": "b"}]}))
    with pytest.raises(Later):
        await made.run()
    assert made.journal == ["status", "event"]
    assert made.conditions() | {"Serving": "True Idle", "Ready": "False ApplyFailed"} == made.conditions()
    accepted = next(one for one in made.statuses[-1]["conditions"] if one["type"] == "Accepted")
    assert (accepted["status"], accepted["observedGeneration"]) == ("True", 2)
    assert accepted["message"] == "this version can be served, but is not yet: may not patch"


async def test_reconciler_does_not_serve_an_unappliable_first_version_and_does_not_blame_the_broker() -> None:
    made = Stage()
    made.put()
    made.errors["apply PodDisruptionBudget"] = ApiError("Forbidden", "may not create")
    with pytest.raises(Later):
        await made.run()
    assert made.conditions()["Serving"] == "False ApplyFailed"


async def test_reconciler_does_not_announce_a_rejected_version_that_cannot_be_applied_now() -> None:
    made = Stage()
    made.put()
    made.errors["apply Deployment"] = ApiError("Invalid", "no")
    for _ in range(2):
        with pytest.raises(Later):
            await made.run()
    assert not made.broker.entries["team.main"].ready
    made.errors["apply Deployment"] = ApiError("Forbidden", "may not create")
    made.put(generation=2)
    with pytest.raises(Later):
        await made.run()
    assert not made.broker.entries["team.main"].ready
    assert made.conditions()["Serving"] == "False ApplyFailed"


async def test_reconciler_retries_a_busy_server_after_its_retry_after() -> None:
    made = Stage()
    made.put()
    made.errors["apply"] = ApiError("TooManyRequests", "busy", retry_after_s=17)
    with pytest.raises(Later) as later:
        await made.run()
    assert later.value.delay_s == 17
    assert made.journal == []


@pytest.mark.parametrize("kind", ["Conflict", "Unavailable", "NotFound", "Gone"])
async def test_reconciler_ends_the_pass_at_any_other_error_and_leaves_the_retry_to_the_queue(kind: Any) -> None:
    made = Stage()
    made.put()
    made.errors["apply"] = ApiError(kind, "no")
    with pytest.raises(ApiError):
        await made.run()
    assert made.journal == []


async def test_reconciler_records_a_new_problem_once_as_a_warning() -> None:
    made = await stage()
    made.errors["apply Deployment"] = ApiError("Forbidden", "no right to patch deployments")
    made.put(**changed(worker={"env": [{"name": "A"}]}))
    for _ in range(2):
        with pytest.raises(Later):
            await made.run()
    warnings = [event for event in made.events if event["type"] == "Warning"]
    assert [(event["reason"], event["note"]) for event in warnings] == [
        ("ApplyFailed", "no right to patch deployments")
    ]
