"""A ModelRoute's status is written whole and read leniently."""

from datetime import UTC, datetime

import msgspec
import pytest

from penstock_contract.route.status import Condition, LastDecision, ModelRouteStatus

NOW = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)


def test_an_empty_status_is_written_with_its_zeros() -> None:
    assert msgspec.to_builtins(ModelRouteStatus()) == {
        "observedGeneration": 0,
        "replicas": 0,
        "readyReplicas": 0,
        "drainingReplicas": 0,
        "desiredReplicas": 0,
        "selector": "",
        "conditions": [],
    }


def test_a_decision_is_written_in_the_words_of_the_resource() -> None:
    decision = LastDecision(at=NOW, from_=0, to=13, reason="Activated", message="100 requests, 8 slots")

    assert msgspec.to_builtins(decision) == {
        "at": "2026-11-22T16:30:00Z",
        "from": 0,
        "to": 13,
        "reason": "Activated",
        "message": "100 requests, 8 slots",
    }


def test_a_status_that_a_newer_operator_has_written_can_be_read() -> None:
    status = msgspec.convert({"replicas": 2, "mood": "good"}, ModelRouteStatus)

    assert status == ModelRouteStatus(replicas=2)


@pytest.mark.parametrize("reason", ["", "Two Words", "1st", "Ends:", "x" * 1025])
def test_a_reason_is_one_word(reason: str) -> None:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-22T16:30:00Z", "reason": reason}

    with pytest.raises(msgspec.ValidationError, match="reason"):
        msgspec.convert(condition, Condition)
