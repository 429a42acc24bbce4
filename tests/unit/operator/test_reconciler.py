"""One pass over a route: the order of its steps, what an error means, and that what is right is left alone."""

import itertools
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from unit.support.routes import CREATED_AT, pod, route_body, spec, spec_document, waiting

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.clock import ManualClock
from penstock_contract.errors import PenstockError
from penstock_operator import resources
from penstock_operator.api_error import ApiError
from penstock_operator.conditions import Autoscaling
from penstock_operator.manifests import WorkerDefaults
from penstock_operator.metrics import Metrics
from penstock_operator.nats_keys import NatsKeys
from penstock_operator.publications import Publications
from penstock_operator.reconciler import (
    BROKER_AGAIN_S,
    FAILED_AGAIN_S,
    FIRST_LOOK_S,
    FORBIDDEN_AGAIN_S,
    STATUS_EVERY_S,
    Reconciler,
)
from penstock_operator.recorder import Recorder
from penstock_operator.register import Register
from penstock_operator.resources import Resource
from penstock_operator.scaling_view import ScalingView
from penstock_operator.work_queue import Later
from penstock_operator.worker_secrets import AGAIN_S, WorkerSecrets
from penstock_operator.world import Body, Key, World

KEY = ("team", "main")
DEFAULTS = WorkerDefaults(image="penstock:1", nats_url="nats://broker")


class FakePlane:
    """The broker; writes into the stage's journal."""

    def __init__(self, journal: list[str]) -> None:
        self.away = False
        self.entries: dict[str, CatalogueEntry] = {}
        self._journal = journal

    async def prepare(self) -> None:
        self._reach()

    async def apply(self, entry: CatalogueEntry) -> bool:
        self._reach()
        self._journal.append("publish")
        self.entries[entry.key] = entry
        return True

    async def remove(self, namespace: str, route: str) -> None:
        self._reach()
        self._journal.append("unpublish")
        self.entries.pop(f"{namespace}.{route}")

    def _reach(self) -> None:
        if self.away:
            raise PenstockError("broker_unavailable", "the message broker is away")


class Stage:
    """A reconciler among fakes: the API server, the broker and the autoscaler in one, with a journal of every write."""

    def __init__(self, defaults: WorkerDefaults = DEFAULTS, *, catalogue_read: bool = True) -> None:
        self.clock = ManualClock()
        self.world = World()
        self.journal: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.errors: dict[str, ApiError] = {}
        self.meanwhile: dict[str, Callable[[], object]] = {}
        """What happens while the API server works on a write, by its words in the journal."""
        self.scaling = ScalingView(autoscaling=Autoscaling())
        self.again: list[tuple[Key, float]] = []
        self.broker = FakePlane(self.journal)
        self.statuses: list[Body] = []
        self._versions = itertools.count(100)
        self.publications = Publications(self.broker)
        if catalogue_read:
            self.publications.replace({})
        self.register = Register(self.publications.entry)
        self.reconciler = Reconciler(
            self,
            self.world,
            self.register,
            self.publications,
            self,
            Recorder(self, self.clock, me="test"),
            Metrics(NoOpMeterProvider().get_meter("test")),
            defaults,
            WorkerSecrets(self, self.clock),
            self.clock,
            again=lambda key, delay_s: self.again.append((key, delay_s)),
        )

    def put(self, document: Any = None, **metadata: Any) -> None:
        body = route_body(document, **metadata)
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        if (known := self.world.routes().get(KEY)) is not None and "status" in known:
            body["status"] = known["status"]
        self.world.observe(resources.MODEL_ROUTES, body, deleted=False)

    def take_away(self) -> None:
        body = self.world.routes()[KEY]
        self.world.observe(resources.MODEL_ROUTES, body, deleted=True)

    async def run(self) -> list[str]:
        """One pass; what it wrote."""
        self.journal.clear()
        await self.reconciler.reconcile(KEY)
        return list(self.journal)

    def conditions(self) -> dict[str, str]:
        return {one["type"]: f"{one['status']} {one['reason']}" for one in self.statuses[-1]["conditions"]}

    # The API server

    async def apply(self, body: Body, *, dry_run: bool = False) -> Body:
        if dry_run:
            if (error := self.errors.get(f"apply {body['kind']}")) is not None:
                raise error
            return body
        self._do(f"apply {body['kind']}")
        kind = resources.of_object(body)
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        known = self.world._objects[kind].get((namespace, name), {"metadata": {"uid": f"u-{kind.plural}"}})
        metadata = {**body["metadata"], "uid": known["metadata"]["uid"], "resourceVersion": str(next(self._versions))}
        return {**body, "metadata": metadata}

    async def scale(self, namespace: str, name: str, replicas: int) -> None:
        self._do(f"scale {namespace}/{name} {replicas}")

    async def apply_status(self, namespace: str, name: str, status: Body) -> Body:
        self._do("status")
        self.statuses.append(status)
        body = self.world.routes()[namespace, name]
        metadata = {**body["metadata"], "resourceVersion": str(next(self._versions))}
        return {**body, "metadata": metadata, "status": status}

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        self._do(f"delete {resource.kind} {namespace}/{name}")

    async def create_secret(self, secret: Body) -> None:
        self._do(f"create Secret {secret['metadata']['name'].rpartition('-')[0]}")

    async def create_event(self, event: Body) -> None:
        self._do("event")
        self.events.append(event)

    # The autoscaler

    def view(self, _key: Key) -> ScalingView:
        return self.scaling

    def touched(self, _key: Key) -> None:
        pass

    def _do(self, what: str) -> None:
        self.meanwhile.pop(what, lambda: None)()
        if (error := self.errors.get(what.split(" ", maxsplit=1)[0] if what not in self.errors else what)) is not None:
            raise error
        self.journal.append(what)


async def stage(document: Any = None, **metadata: Any) -> Stage:
    """A route that has had its first pass, and the one that its new objects bring about."""
    made = Stage()
    made.put(document, **metadata)
    await made.run()
    await made.run()
    made.again.clear()
    made.clock.advance(60)
    return made


def changed(**spec: Any) -> Mapping[str, Any]:
    """Arguments for `put`: a second version of the spec."""
    return {"document": spec_document(**spec), "generation": 2}


async def test_a_new_route_gets_its_objects_then_its_entry_then_its_status() -> None:
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


async def test_a_pass_over_what_is_right_writes_nothing() -> None:
    made = await stage()
    assert await made.run() == []


async def test_a_spec_that_only_the_answer_to_a_status_has_is_planned_in_another_pass() -> None:
    made = await stage()
    made.put(**changed(limits={"queueDepth": 7}))
    # The watch will tell of it when it is known, and so nobody.
    made.meanwhile["status"] = lambda: made.put(spec_document(limits={"queueDepth": 8}), generation=3)
    assert await made.run() == ["publish", "status"]
    assert made.again == [(KEY, 0.0)]
    assert await made.run() == ["publish", "status"]
    assert made.broker.entries["team.main"].spec.limits.queue_depth == 8


async def test_a_change_that_no_pod_must_be_told_is_only_published() -> None:
    made = await stage()
    made.put(**changed(limits={"queueDepth": 7}))
    assert await made.run() == ["publish", "status"]
    assert made.broker.entries["team.main"].spec.limits.queue_depth == 7


async def test_a_deleted_object_is_made_again_and_told_once() -> None:
    made = await stage()
    for _ in range(2):
        made.world.observe(
            resources.SERVICE_ACCOUNTS,
            made.world._objects[resources.SERVICE_ACCOUNTS]["team", "main-worker"],
            deleted=True,
        )
        assert "apply ServiceAccount" in await made.run()
    assert [event["reason"] for event in made.events] == ["Repaired"]


async def test_a_version_that_the_api_server_refuses_is_not_published_and_the_last_good_one_stays() -> None:
    made = await stage()
    made.errors["apply Deployment"] = ApiError("Invalid", "cpu request above limit")
    made.put(**changed(worker={"env": [{"name": "A", "value": "b"}]}, limits={"queueDepth": 7}))
    with pytest.raises(Later):
        await made.run()
    assert "publish" not in made.journal
    with pytest.raises(Later) as later:
        await made.run()
    assert later.value.delay_s == FORBIDDEN_AGAIN_S
    assert made.journal == ["status"]
    assert made.conditions()["Accepted"] == "False InvalidSpec"
    assert made.conditions()["Serving"] == "True Idle"
    assert made.broker.entries["team.main"].spec.limits.queue_depth != 7


async def test_a_version_that_is_no_longer_refused_is_served_though_the_route_did_not_change() -> None:
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


async def test_a_refusal_is_of_the_version_that_was_applied_and_not_of_one_that_came_meanwhile() -> None:
    made = await stage()
    made.put(**changed(worker={"env": [{"name": "A", "value": "b"}]}))

    def mended_too_late() -> None:
        made.put(spec_document(limits={"queueDepth": 9}), generation=3)
        made.register.take_in(KEY, made.world.routes()[KEY])
        raise ApiError("Invalid", "no")

    made.meanwhile["apply Deployment"] = mended_too_late
    with pytest.raises(Later):
        await made.run()
    assert not made.register.routes[KEY].problem
    await made.run()
    assert made.conditions()["Accepted"] == "True Accepted"
    assert made.broker.entries["team.main"].spec.limits.queue_depth == 9


async def test_a_last_good_version_that_is_refused_now_says_nothing_about_the_one_whose_name_is_taken() -> None:
    made = await stage()
    older = route_body(spec_document("taken"), name="older", uid="u0", creationTimestamp="2025-01-01T00:00:00Z")
    made.register.take_in(("team", "older"), older)
    made.put(**changed(models=[{"name": "taken"}]))
    made.world.observe(
        resources.DEPLOYMENTS, made.world._objects[resources.DEPLOYMENTS]["team", "main-worker"], deleted=True
    )
    made.errors["apply Deployment"] = ApiError("Invalid", "no")
    with pytest.raises(Later, match="no"):
        await made.run()
    assert made.conditions()["Accepted"] == "False ModelNameConflict"
    assert made.conditions()["Degraded"] == "True ApplyFailed"


async def test_an_admission_webhook_that_is_away_is_said_and_tried_again_soon() -> None:
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


async def test_what_somebody_deleted_on_the_broker_is_put_back_with_an_event() -> None:
    made = await stage()
    entry = made.broker.entries["team.main"]
    assert made.publications.put("team.main", None)
    assert await made.run() == ["publish", "event"]
    assert made.broker.entries["team.main"] == entry
    assert made.events[-1]["reason"] == "Repaired"
    assert not made.publications.put("team.main", entry)
    assert await made.run() == []


async def test_a_refused_version_is_forgotten_with_the_next_change() -> None:
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


async def test_a_right_that_is_missing_is_said_and_asked_for_again_in_a_while() -> None:
    made = Stage()
    made.put()
    made.errors["apply Deployment"] = ApiError("Forbidden", "may not create")
    with pytest.raises(Later) as later:
        await made.run()
    assert later.value.delay_s == FORBIDDEN_AGAIN_S
    assert made.journal == ["apply ServiceAccount", "status"]
    assert made.conditions()["Degraded"] == "True ApplyFailed"
    made.errors.clear()
    assert "publish" in await made.run()
    assert made.conditions()["Degraded"] == "False AsExpected"


@pytest.mark.parametrize("kind", ["Forbidden", "Failed"])
async def test_while_a_version_cannot_be_applied_the_status_says_what_serves_and_blames_nobody_else(kind: Any) -> None:
    made = await stage()
    made.errors["apply Deployment"] = ApiError(kind, "may not patch")
    made.put(**changed(worker={"env": [{"name": "A", "value": "b"}]}))
    with pytest.raises(Later):
        await made.run()
    assert made.journal == ["status"]
    assert made.conditions() | {"Serving": "True Idle", "Ready": "False ApplyFailed"} == made.conditions()
    accepted = next(one for one in made.statuses[-1]["conditions"] if one["type"] == "Accepted")
    assert (accepted["status"], accepted["observedGeneration"]) == ("True", 2)
    assert accepted["message"] == "this version can be served, and is not yet: may not patch"


async def test_a_first_version_that_cannot_be_applied_does_not_serve_and_the_broker_is_not_why() -> None:
    made = Stage()
    made.put()
    made.errors["apply PodDisruptionBudget"] = ApiError("Forbidden", "may not create")
    with pytest.raises(Later):
        await made.run()
    assert made.conditions()["Serving"] == "False ApplyFailed"


async def test_a_version_that_was_refused_and_cannot_be_applied_now_is_not_promised() -> None:
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


async def test_a_server_that_is_busy_is_asked_again_when_it_said() -> None:
    made = Stage()
    made.put()
    made.errors["apply"] = ApiError("TooManyRequests", "busy", retry_after_s=17)
    with pytest.raises(Later) as later:
        await made.run()
    assert later.value.delay_s == 17
    assert made.journal == []


@pytest.mark.parametrize("kind", ["Conflict", "Unavailable", "NotFound", "Gone"])
async def test_any_other_error_ends_the_pass_and_leaves_the_retry_to_the_queue(kind: Any) -> None:
    made = Stage()
    made.put()
    made.errors["apply"] = ApiError(kind, "no")
    with pytest.raises(ApiError):
        await made.run()
    assert made.journal == []


async def test_a_status_that_changes_often_is_written_every_few_seconds() -> None:
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


async def test_a_condition_that_flips_is_written_at_once() -> None:
    made = await stage()
    made.scaling = ScalingView(desired=3, autoscaling=Autoscaling())
    assert await made.run() == ["status"]
    made.scaling = ScalingView(autoscaling=Autoscaling("BrokerUnavailable", message="away"))
    assert await made.run() == ["status"]
    assert made.conditions()["ScalingActive"] == "False BrokerUnavailable"


async def test_without_a_broker_the_objects_are_made_and_the_status_says_what_is_missing() -> None:
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


async def test_a_last_good_version_outlives_a_leader_that_began_without_the_broker() -> None:
    made = Stage(catalogue_read=False)
    made.broker.entries["team.main"] = V1
    made.broker.away = True
    made.put(UNREADABLE, generation=2)
    with pytest.raises(Later):
        await made.run()
    made.broker.away = False
    made.publications.replace(dict(made.broker.entries))
    await made.run()
    await made.run()
    assert made.broker.entries["team.main"].ready
    assert made.broker.entries["team.main"].spec == V1.spec
    assert made.conditions()["Accepted"] == "False InvalidSpec"
    assert made.conditions()["Serving"] == "True Idle"


async def test_a_leader_that_cannot_know_what_is_served_does_not_say_that_nothing_is() -> None:
    before = await stage()
    before.put(UNREADABLE, generation=2)
    await before.run()
    assert before.conditions()["Serving"] == "True Idle"
    made = Stage(catalogue_read=False)
    body = before.world.routes()[KEY]
    body["metadata"]["resourceVersion"] = "1"
    made.world.observe(resources.MODEL_ROUTES, body, deleted=False)
    with pytest.raises(Later):
        await made.run()
    assert made.journal == []
    made.put(UNREADABLE, generation=3)
    with pytest.raises(Later):
        await made.run()
    assert made.conditions()["Accepted"] == "False InvalidSpec"


async def test_a_pass_that_began_before_the_catalogue_was_read_publishes_nothing() -> None:
    made = Stage(catalogue_read=False)
    made.put()
    made.meanwhile["apply Deployment"] = lambda: made.publications.replace({})
    with pytest.raises(Later):
        await made.run()
    assert "publish" not in made.journal
    assert "publish" in await made.run()


async def test_a_route_that_is_gone_is_taken_out_of_the_catalogue_and_nothing_else_is_touched() -> None:
    made = await stage()
    made.take_away()
    assert await made.run() == ["unpublish"]
    assert made.broker.entries == {}
    assert await made.run() == []


async def test_a_route_that_went_while_the_broker_was_away_is_taken_out_later() -> None:
    made = await stage()
    made.take_away()
    made.broker.away = True
    with pytest.raises(Later):
        await made.run()
    made.broker.away = False
    assert await made.run() == ["unpublish"]


async def test_a_route_that_is_being_deleted_is_taken_out_and_its_objects_are_left_alone() -> None:
    made = await stage()
    made.put(deletionTimestamp="2026-01-01T00:01:00Z")
    assert await made.run() == ["unpublish"]


async def test_a_change_of_names_is_news_for_the_routes_that_want_them() -> None:
    made = await stage()
    other = ("team", "other")
    made.put(name="other", uid="u2", creationTimestamp="2026-01-02T00:00:00Z")
    made.register.take_in(other, made.world.routes()[other])
    await made.run()
    assert (other, 0.0) in made.again
    made.again.clear()
    made.take_away()
    await made.run()
    assert (other, 0.0) in made.again


async def test_an_event_that_cannot_be_told_stops_nothing() -> None:
    made = await stage()
    made.errors["event"] = ApiError("Forbidden", "no")
    account = made.world._objects[resources.SERVICE_ACCOUNTS]["team", "main-worker"]
    made.world.observe(resources.SERVICE_ACCOUNTS, account, deleted=True)
    assert await made.run() == ["apply ServiceAccount"]


async def test_the_number_of_a_new_deployment_is_what_the_autoscaler_said_last() -> None:
    made = Stage()
    made.put()
    made.scaling = ScalingView(desired=4, autoscaling=Autoscaling())
    assert "scale team/main-worker 4" in await made.run()


async def test_a_new_leader_flips_nothing_that_it_has_not_looked_at_yet() -> None:
    made = await stage()
    made.scaling = ScalingView()
    assert await made.run() == []
    assert made.again == [(KEY, FIRST_LOOK_S)]
    made.scaling = ScalingView(autoscaling=Autoscaling())
    assert await made.run() == []


async def test_an_autoscaler_that_never_looks_is_said() -> None:
    made = await stage()
    made.scaling = ScalingView()
    await made.run()
    made.clock.advance(FIRST_LOOK_S)
    assert await made.run() == ["status"]
    assert made.conditions()["ScalingActive"] == "Unknown NotChecked"


MINTING = WorkerDefaults(
    image="penstock:1",
    nats_url="nats://broker",
    signing_key=NatsKeys.new(secrets.token_bytes, 1_790_000_000).signing_key,
)


async def test_the_workers_credentials_are_there_before_the_pods_that_mount_them_and_are_made_once() -> None:
    made = Stage(MINTING)
    made.put()
    first = await made.run()
    assert first[:3] == ["create Secret main-worker-nats", "apply ServiceAccount", "apply Deployment"]
    await made.run()
    assert await made.run() == []


async def test_a_pod_that_waits_for_its_volume_makes_the_secret_be_made_again() -> None:
    made = Stage(MINTING)
    made.put()
    await made.run()
    await made.run()
    waiting_pod = pod(state=waiting("ContainerCreating"))
    waiting_pod["metadata"] |= {"uid": "p", "resourceVersion": "1000", "labels": {"penstock.dev/route": "main"}}
    made.world.observe(resources.PODS, waiting_pod, deleted=False)
    made.clock.advance(AGAIN_S)

    assert "create Secret main-worker-nats" in await made.run()
    assert (KEY, AGAIN_S) in made.again


async def test_without_the_right_to_create_secrets_no_pod_is_started_that_could_not_mount_one() -> None:
    made = Stage(MINTING)
    made.errors["create Secret main-worker-nats"] = ApiError("Forbidden", "cannot create secrets")
    made.put()
    with pytest.raises(Later, match="cannot create secrets"):
        await made.run()
    assert not any(what.startswith("apply") for what in made.journal)
