"""Conditions of a route by its situation: one case per row."""

from typing import get_args

import pytest
from unit.support.situations import (
    BROKEN,
    CONFLICT,
    FELL_BACK,
    FULL,
    HELD,
    HELD_UP,
    INVALID,
    MANUAL,
    NO_BROKER,
    NO_QUEUE,
    NO_SECRET,
    NO_WORKERS,
    PULL,
    SECRET,
    STOPPED,
    WITHHELD,
    found,
    situation,
    workers,
)

from penstock_operator.status.conditions import Acceptance, Situation
from penstock_operator.status.pod_problems import ProblemReason
from penstock_operator.status.reasons import EXPLANATIONS, POD_PROBLEMS, WITH_POD_PROBLEMS, Type

CASES: dict[str, tuple[Type, Situation, tuple[str, str]]] = {
    "a spec that is served is accepted": ("Accepted", situation(), ("True", "Accepted")),
    "a spec that cannot be served is not": ("Accepted", situation(acceptance=INVALID), ("False", "InvalidSpec")),
    "a spec whose name is taken is not": (
        "Accepted",
        situation(acceptance=CONFLICT, serves=None),
        ("False", "ModelNameConflict"),
    ),
    "a spec with a forbidden name is not": (
        "Accepted",
        situation(acceptance=Acceptance("ModelNameNotPermitted", "the model x"), serves=None),
        ("False", "ModelNameNotPermitted"),
    ),
    "a spec that could not be applied yet can be served all the same": (
        "Accepted",
        situation(**WITHHELD),
        ("True", "Accepted"),
    ),
    # ResolvedRefs
    "a route without secrets has them all": ("ResolvedRefs", situation(), ("True", "Resolved")),
    "a container that was made proves its secrets": (
        "ResolvedRefs",
        situation(workers(1, 1, proven_secrets=frozenset({("openai", "key")})), serves=SECRET),
        ("True", "Resolved"),
    ),
    "a container of an older version proves no other secret": (
        "ResolvedRefs",
        situation(workers(1, 1, proven_secrets=frozenset({("openai", "old")})), serves=SECRET),
        ("Unknown", "NotChecked"),
    ),
    "without a worker the secrets are unchecked": (
        "ResolvedRefs",
        situation(NO_WORKERS, serves=SECRET),
        ("Unknown", "NotChecked"),
    ),
    "a pod reports a missing secret": (
        "ResolvedRefs",
        situation(workers(1, 0, 1, problems=(NO_SECRET,)), serves=SECRET),
        ("False", "SecretNotFound"),
    ),
    "a route that serves nothing needs no secrets": (
        "ResolvedRefs",
        situation(serves=None, acceptance=INVALID),
        ("Unknown", "NotChecked"),
    ),
    # WorkersReady
    "all that are wanted are ready": ("WorkersReady", situation(workers(2, 2)), ("True", "WorkersReady")),
    "one of two is not ready yet": ("WorkersReady", situation(workers(2, 1, 1)), ("False", "Starting")),
    "one of two cannot start": (
        "WorkersReady",
        situation(workers(2, 1, 1, problems=(PULL,))),
        ("False", "ImagePullFailed"),
    ),
    "one that drains is not missed": ("WorkersReady", situation(workers(2, 1, drain=1)), ("True", "WorkersReady")),
    "more than wanted while old ones are replaced": (
        "WorkersReady",
        situation(workers(1, 1, 1, rolling=True, problems=(PULL,))),
        ("True", "WorkersReady"),
    ),
    "none is wanted": ("WorkersReady", situation(NO_WORKERS), ("True", "ScaledToZero")),
    "there is no Deployment yet": ("WorkersReady", situation(workers(None)), ("False", "Starting")),
    "there can be no Deployment": (
        "WorkersReady",
        situation(workers(None), apply_error="deployments is forbidden"),
        ("False", "ApplyFailed"),
    ),
    "a route that serves nothing has no workers": (
        "WorkersReady",
        situation(serves=None, acceptance=INVALID),
        ("False", "NotAccepted"),
    ),
    # Serving
    "one ready worker serves": ("Serving", situation(workers(9, 1, 8)), ("True", "Serving")),
    "one ready worker serves whatever is wrong with the others": (
        "Serving",
        situation(workers(2, 1, 1, problems=(FULL,))),
        ("True", "Serving"),
    ),
    "the last good version serves": ("Serving", situation(acceptance=INVALID), ("True", "Serving")),
    "a ready worker has a broker even if the operator has none": (
        "Serving",
        situation(autoscaling=NO_BROKER),
        ("True", "Serving"),
    ),
    "an idle route is activated": ("Serving", situation(NO_WORKERS), ("True", "Idle")),
    "a route without a check is activated": ("Serving", situation(NO_WORKERS, autoscaling=None), ("True", "Idle")),
    "a route with a paused scale-in is activated": ("Serving", situation(NO_WORKERS, serves=HELD_UP), ("True", "Idle")),
    "no activation of a route in manual mode": (
        "Serving",
        situation(NO_WORKERS, serves=MANUAL),
        ("False", "NoWorkers"),
    ),
    "no activation of a route with a paused scale-out": (
        "Serving",
        situation(NO_WORKERS, serves=HELD),
        ("False", "NoWorkers"),
    ),
    "no activation of a paused route": ("Serving", situation(NO_WORKERS, serves=STOPPED), ("False", "NoWorkers")),
    "no activation without a broker": (
        "Serving",
        situation(NO_WORKERS, autoscaling=NO_BROKER),
        ("False", "BrokerUnavailable"),
    ),
    "the first worker is starting": ("Serving", situation(workers(1, 0, 1)), ("False", "NoWorkers")),
    "the only worker cannot start": ("Serving", situation(BROKEN), ("False", "NoWorkers")),
    "there is no worker without a Deployment": ("Serving", situation(workers(None)), ("False", "NoWorkers")),
    "without its queue no request gets through": (
        "Serving",
        situation(autoscaling=NO_QUEUE),
        ("False", "QueueMissing"),
    ),
    "no activation of a route that is not in the catalogue": (
        "Serving",
        situation(NO_WORKERS, published=False),
        ("False", "BrokerUnavailable"),
    ),
    "an older version serves while the catalogue does not have this one": (
        "Serving",
        situation(published=False),
        ("True", "Serving"),
    ),
    "an older version is activated while the objects of this one cannot be applied": (
        "Serving",
        situation(NO_WORKERS, older=True, **WITHHELD),
        ("True", "Idle"),
    ),
    "an older version has workers while the objects of this one cannot be applied": (
        "Serving",
        situation(older=True, **WITHHELD),
        ("True", "Serving"),
    ),
    "an older version needs the broker too": (
        "Serving",
        situation(NO_WORKERS, older=True, autoscaling=NO_BROKER, **WITHHELD),
        ("False", "BrokerUnavailable"),
    ),
    "a first version whose objects cannot be applied does not serve, and the broker is not why": (
        "Serving",
        situation(NO_WORKERS, **WITHHELD),
        ("False", "ApplyFailed"),
    ),
    "a Deployment that cannot be made again starts no worker": (
        "Serving",
        situation(workers(None), apply_error="deployments is forbidden"),
        ("False", "ApplyFailed"),
    ),
    "a route that is not accepted does not serve": (
        "Serving",
        situation(serves=None, acceptance=CONFLICT),
        ("False", "NotAccepted"),
    ),
    # ScalingActive
    "the load decides": ("ScalingActive", situation(), ("True", "Active")),
    "the load is not checked yet": ("ScalingActive", situation(autoscaling=None), ("Unknown", "NotChecked")),
    "manual mode": ("ScalingActive", situation(serves=MANUAL), ("False", "Manual")),
    "scaling is paused": ("ScalingActive", situation(serves=HELD), ("False", "Paused")),
    "the broker is away": ("ScalingActive", situation(autoscaling=NO_BROKER), ("False", "BrokerUnavailable")),
    "the queue is missing": ("ScalingActive", situation(autoscaling=NO_QUEUE), ("False", "QueueMissing")),
    "the fallback decides": ("ScalingActive", situation(autoscaling=FELL_BACK), ("False", "Fallback")),
    "by hand it needs no broker": (
        "ScalingActive",
        situation(serves=MANUAL, autoscaling=NO_BROKER),
        ("False", "Manual"),
    ),
    "what is not served is not scaled": (
        "ScalingActive",
        situation(serves=None, acceptance=INVALID),
        ("False", "NotAccepted"),
    ),
    # Degraded
    "all is well": ("Degraded", situation(), ("False", "AsExpected")),
    "a cold start is not degraded": ("Degraded", situation(workers(3, 0, 3)), ("False", "AsExpected")),
    "an idle route is not degraded": ("Degraded", situation(NO_WORKERS), ("False", "AsExpected")),
    "a pod that cannot run is": ("Degraded", situation(workers(2, 1, 1, problems=(FULL,))), ("True", "Unschedulable")),
    "a version that is not served is": ("Degraded", situation(acceptance=INVALID), ("True", "InvalidSpec")),
    "objects that cannot be applied are": ("Degraded", situation(apply_error="forbidden"), ("True", "ApplyFailed")),
    "an unknown load is": ("Degraded", situation(autoscaling=NO_BROKER), ("True", "BrokerUnavailable")),
    "a catalogue that cannot be written is": (
        "Degraded",
        situation(published=False),
        ("True", "BrokerUnavailable"),
    ),
    # Ready
    "the wanted version is served": ("Ready", situation(), ("True", "Serving")),
    "the wanted version would be served": ("Ready", situation(NO_WORKERS), ("True", "Idle")),
    "another version than the wanted one is served": (
        "Ready",
        situation(acceptance=INVALID),
        ("False", "InvalidSpec"),
    ),
    "the problem is more specific than the missing worker": ("Ready", situation(BROKEN), ("False", "ImagePullFailed")),
    "a worker is starting": ("Ready", situation(workers(1, 0, 1)), ("False", "NoWorkers")),
    "manual mode keeps it at zero": ("Ready", situation(NO_WORKERS, serves=MANUAL), ("False", "NoWorkers")),
    "a secret of this version is missing though an older one serves": (
        "Ready",
        situation(workers(1, 1, 1, rolling=True, problems=(NO_SECRET,)), serves=SECRET),
        ("False", "SecretNotFound"),
    ),
    "an older version is being replaced": (
        "Ready",
        situation(workers(1, 1, 1, rolling=True)),
        ("Unknown", "RollingOut"),
    ),
    "an older version cannot be replaced": (
        "Ready",
        situation(workers(1, 1, 1, rolling=True, problems=(PULL,))),
        ("False", "ImagePullFailed"),
    ),
    "one worker more than there is room for": (
        "Ready",
        situation(workers(2, 1, 1, problems=(FULL,))),
        ("True", "Serving"),
    ),
    "a version that was not applied yet": ("Ready", situation(applying=True), ("Unknown", "RollingOut")),
    "a version that its controller has not looked at": (
        "Ready",
        situation(workers(1, 1, unobserved=True)),
        ("Unknown", "RollingOut"),
    ),
    "a new route whose Deployment its controller has not looked at": (
        "Ready",
        situation(workers(0, 0, unobserved=True)),
        ("True", "Idle"),
    ),
    "objects that cannot be applied": ("Ready", situation(apply_error="forbidden"), ("False", "ApplyFailed")),
    "a version that the catalogue does not have": (
        "Ready",
        situation(published=False),
        ("False", "BrokerUnavailable"),
    ),
    "a route that cannot scale still serves": ("Ready", situation(autoscaling=NO_BROKER), ("True", "Serving")),
}


@pytest.mark.parametrize(("type_", "of", "expected"), CASES.values(), ids=CASES)
def test_conditions_follow_the_situation(type_: Type, of: Situation, expected: tuple[str, str]) -> None:
    assert found(type_, of) == expected


def test_conditions_pod_problems_are_explained_in_the_order_in_which_they_are_reported() -> None:
    assert list(POD_PROBLEMS) == list(get_args(ProblemReason))


@pytest.mark.parametrize(("type_", "of", "expected"), CASES.values(), ids=CASES)
def test_conditions_each_reason_is_explained_with_its_status(
    type_: Type, of: Situation, expected: tuple[str, str]
) -> None:
    status, reason = expected
    explained = EXPLANATIONS[type_].get(reason)
    if explained is not None:
        assert explained.status == status
    else:
        assert type_ in WITH_POD_PROBLEMS
        assert of.survey.problems[0].reason == reason
