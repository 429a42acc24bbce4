"""Decisions about a lease, by the clock of this process alone."""

from typing import Any

from penstock_operator.kube import lease
from penstock_operator.kube.lease import LeaseTerms, Take, Wait

TERMS = LeaseTerms(namespace="ns", name="l", duration_s=15, renew_deadline_s=10, retry_s=2)
AT = "2026-11-22T16:00:00.000000Z"


def read(holder: str | None, version: int = 1, duration_s: int | None = 15) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ns", "name": "l", "resourceVersion": str(version), "managedFields": []},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": duration_s, "leaseTransitions": 4},
    }


def evaluate(body: dict[str, Any] | None, seen: lease.Seen | None, now: float) -> Take | Wait:
    return lease.evaluate(body, lease.look(body, seen, now), now, me="me", duration_s=15)


def test_lease_that_is_missing_free_or_own_may_be_taken() -> None:
    assert evaluate(None, None, 0) == Take()
    assert evaluate(read(""), None, 0) == Take()
    assert evaluate(read(None), None, 0) == Take()
    assert evaluate(read("me"), None, 0) == Take()
    assert evaluate({"metadata": {"resourceVersion": "1"}}, None, 0) == Take()


def test_lease_of_another_holder_expires_a_whole_duration_after_it_was_first_observed() -> None:
    body = read("other")
    seen = lease.look(body, None, 100)
    assert evaluate(body, seen, 100) == Wait("other", 115)
    assert evaluate(body, seen, 114.9) == Wait("other", 115)
    assert evaluate(body, seen, 115) == Take()


def test_lease_duration_restarts_at_each_observed_renewal() -> None:
    seen = lease.look(read("other", version=1), None, 100)
    assert evaluate(read("other", version=2), seen, 114) == Wait("other", 129)


def test_lease_of_another_holder_has_the_duration_in_its_record() -> None:
    body = read("other", duration_s=60)
    assert evaluate(body, lease.look(body, None, 0), 20) == Wait("other", 60)


def test_lease_takeover_counts_a_transition_and_keeps_the_version_that_was_read() -> None:
    written = lease.record(read("other", version=7), TERMS, me="me", now_rfc3339=AT)
    assert written["metadata"] == {"namespace": "ns", "name": "l", "resourceVersion": "7"}
    assert written["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 5,
        "acquireTime": AT,
        "renewTime": AT,
    }


def test_lease_renewal_is_no_transition_and_keeps_the_time_of_acquisition() -> None:
    before = lease.record(None, TERMS, me="me", now_rfc3339=AT)
    assert before["spec"]["leaseTransitions"] == 0
    before["metadata"]["resourceVersion"] = "1"
    after = lease.record(before, TERMS, me="me", now_rfc3339="later")
    assert after["spec"] == before["spec"] | {"renewTime": "later"}


def test_lease_that_is_released_may_be_taken_at_once() -> None:
    written = lease.released(read("me", version=3), now_rfc3339=AT)
    assert written["metadata"]["resourceVersion"] == "3"
    assert evaluate(written, None, 0) == Take()
