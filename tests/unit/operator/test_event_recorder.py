"""Kubernetes Events are complete, bounded, and not repeated."""

from typing import Any

from unit.support.routes import route_body

from penstock_operator.kube.event_recorder import NOTE_MAX, QUIET_S, EventRecorder
from penstock_runtime.clock import ManualClock


class FakeEvents:
    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []

    async def create_event(self, event: dict[str, Any]) -> None:
        self.created.append(event)


async def test_event_recorder_names_route_and_reporter() -> None:
    events = FakeEvents()
    await EventRecorder(events, ManualClock(), me="op-1").record(route_body(), "Repaired", "put back", action="Repair")
    (event,) = events.created
    regarding = {"apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute", "namespace": "team", "name": "main"}
    assert event["regarding"].items() >= regarding.items()
    assert event["metadata"]["namespace"] == "team"
    assert event["metadata"]["name"].startswith("main.")
    assert (event["reason"], event["note"], event["action"]) == ("Repaired", "put back", "Repair")
    assert (event["type"], event["reportingInstance"]) == ("Normal", "op-1")
    assert event["eventTime"] == "2023-11-14T22:13:20.000000Z"


async def test_event_recorder_repeats_an_equal_event_only_after_a_while() -> None:
    events, clock = FakeEvents(), ManualClock()
    recorder = EventRecorder(events, clock, me="op-1")
    for _ in range(3):
        await recorder.record(route_body(), "Repaired", "put back", action="Repair")
    await recorder.record(route_body(), "Repaired", "something else", action="Repair")
    await recorder.record(route_body(uid="another"), "Repaired", "put back", action="Repair")
    assert len(events.created) == 3
    clock.advance(QUIET_S)
    await recorder.record(route_body(), "Repaired", "put back", action="Repair")
    assert len(events.created) == 4


async def test_event_recorder_cuts_a_long_note_to_the_api_servers_bound() -> None:
    events = FakeEvents()
    await EventRecorder(events, ManualClock(), me="m" * 500).record(route_body(), "R", "n" * 5000, action="A")
    (event,) = events.created
    assert len(event["note"]) == NOTE_MAX
    assert len(event["reportingInstance"]) == 128
