"""Catalogue entries: kept without the broker, and never removed while they serve."""

import pytest
from unit.support.reconcilers import KEY, Stage, stage
from unit.support.routes import CREATED_AT, spec

from penstock_contract.catalogue import CatalogueEntry
from penstock_operator.kube import resources
from penstock_operator.reconcile.reconciler import BROKER_AGAIN_S
from penstock_operator.work_queue import Later


async def test_reconciler_restores_deletions_on_the_broker_with_an_event() -> None:
    made = await stage()
    entry = made.broker.entries["team.main"]
    assert made.publisher.put("team.main", None)
    assert await made.run() == ["publish", "event"]
    assert made.broker.entries["team.main"] == entry
    assert made.events[-1]["reason"] == "Repaired"
    assert not made.publisher.put("team.main", entry)
    assert await made.run() == []


async def test_reconciler_creates_objects_without_a_broker_and_reports_it() -> None:
    made = Stage()
    made.put()
    made.broker.away = True
    with pytest.raises(Later) as later:
        await made.run()
    assert later.value.delay_s == BROKER_AGAIN_S
    assert "apply Deployment" in made.journal
    assert made.conditions()["Serving"] == "False BrokerUnavailable"
    made.broker.away = False
    assert await made.run() == ["publish", "status"]
    assert made.conditions()["Serving"] == "True Idle"


V1 = CatalogueEntry(namespace="team", name="main", created_at=CREATED_AT, spec=spec())


UNREADABLE = {"models": [{"name": "gpt"}], "providers": []}


async def test_reconciler_keeps_the_last_good_version_of_a_leader_that_began_without_the_broker() -> None:
    made = Stage(catalogue_read=False)
    made.broker.entries["team.main"] = V1
    made.broker.away = True
    made.put(UNREADABLE, generation=2)
    with pytest.raises(Later):
        await made.run()
    made.broker.away = False
    made.publisher.replace(dict(made.broker.entries))
    await made.run()
    await made.run()
    assert made.broker.entries["team.main"].ready
    assert made.broker.entries["team.main"].spec == V1.spec
    assert made.conditions()["Accepted"] == "False InvalidSpec"
    assert made.conditions()["Serving"] == "True Idle"


async def test_reconciler_keeps_the_status_while_the_served_version_is_unknown() -> None:
    before = await stage()
    before.put(UNREADABLE, generation=2)
    await before.run()
    assert before.conditions()["Serving"] == "True Idle"
    made = Stage(catalogue_read=False)
    body = before.cache.routes()[KEY]
    body["metadata"]["resourceVersion"] = "1"
    made.cache.observe(resources.MODEL_ROUTES, body, deleted=False)
    with pytest.raises(Later):
        await made.run()
    assert made.journal == []
    made.put(UNREADABLE, generation=3)
    with pytest.raises(Later):
        await made.run()
    assert made.conditions()["Accepted"] == "False InvalidSpec"


async def test_reconciler_publishes_nothing_in_a_pass_that_began_before_the_catalogue_was_read() -> None:
    made = Stage(catalogue_read=False)
    made.put()
    made.meanwhile["apply Deployment"] = lambda: made.publisher.replace({})
    with pytest.raises(Later):
        await made.run()
    assert "publish" not in made.journal
    assert "publish" in await made.run()


async def test_reconciler_removes_the_entry_of_a_deleted_route_and_nothing_else() -> None:
    made = await stage()
    made.take_away()
    assert await made.run() == ["unpublish"]
    assert made.broker.entries == {}
    assert await made.run() == []


async def test_reconciler_removes_the_entry_of_a_deleted_route_once_the_broker_is_back() -> None:
    made = await stage()
    made.take_away()
    made.broker.away = True
    with pytest.raises(Later):
        await made.run()
    made.broker.away = False
    assert await made.run() == ["unpublish"]


async def test_reconciler_removes_the_entry_of_a_terminating_route_and_keeps_its_objects() -> None:
    made = await stage()
    made.put(deletionTimestamp="2026-01-01T00:01:00Z")
    assert await made.run() == ["unpublish"]
