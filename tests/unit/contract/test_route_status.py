"""A ModelRoute's status is encoded in full and decoded leniently."""

from datetime import UTC, datetime

import msgspec
import pytest

from penstock_contract.route.status import Condition, LastDecision, ModelRouteStatus

NOW = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)


def test_route_status_writes_zeros_when_empty() -> None:
    assert msgspec.to_builtins(ModelRouteStatus()) == {
        "observedGeneration": 0,
        "replicas": 0,
        "readyReplicas": 0,
        "drainingReplicas": 0,
        "desiredReplicas": 0,
        "selector": "",
        "conditions": [],
    }


def test_route_status_writes_a_decision_in_the_terms_of_the_resource() -> None:
    decision = LastDecision(at=NOW, from_=0, to=13, reason="Activated", message="100 requests, 8 slots")

    assert msgspec.to_builtins(decision) == {
        "at": "2026-11-22T16:30:00Z",
        "from": 0,
        "to": 13,
        "reason": "Activated",
        "message": "100 requests, 8 slots",
    }


def test_route_status_of_a_newer_operator_is_readable() -> None:
    status = msgspec.convert({"replicas": 2, "mood": "good"}, ModelRouteStatus)

    assert status == ModelRouteStatus(replicas=2)


@pytest.mark.parametrize("reason", ["", "Two Words", "1st", "Ends:", "x" * 1025])
def test_route_status_reason_is_one_word(reason: str) -> None:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-22T16:30:00Z", "reason": reason}

    with pytest.raises(msgspec.ValidationError, match="reason"):
        msgspec.convert(condition, Condition)
