"""What is so about a route, one sentence each."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.routes import provider, secret, spec

from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.status import Condition
from penstock_operator.status.conditions import UNPUBLISHED, Acceptance, Autoscaling, Finding, Situation, evaluate
from penstock_operator.status.pod_problems import Problem, ProblemReason
from penstock_operator.status.pod_summary import Survey
from penstock_operator.status.reasons import EXPLANATIONS, POD_PROBLEMS, REASONS, WITH_POD_PROBLEMS, Type

ACCEPTED = Acceptance("Accepted", "this version is served")
INVALID = Acceptance("InvalidSpec", "limits: too long")
CONFLICT = Acceptance("ModelNameConflict", "the model x belongs to the route team/other")
PULL = Problem("ImagePullFailed", "pod a: denied")
NO_SECRET = Problem("SecretNotFound", 'pod a: secret "openai" not found')
FULL = Problem("Unschedulable", "pod b: 0/3 nodes are available")
AUTO = Autoscaling()
NO_BROKER = Autoscaling("BrokerUnavailable", message="the broker does not answer")
NO_QUEUE = Autoscaling("QueueMissing", message="the queue is not there")
FELL_BACK = Autoscaling("BrokerUnavailable", fallback=True, message="for 60 s; Static asks for 2")
SECRET = spec(providers=[provider(**secret("openai"))])


def workers(wanted: int | None, ready: int = 0, starting: int = 0, drain: int = 0, **fields: Any) -> Survey:
    replicas = ready + starting + drain
    return Survey(wanted=wanted, ready=ready, starting=starting, draining=drain, replicas=replicas, **fields)


def situation(
    survey: Survey = workers(1, 1),  # noqa: B008 - frozen
    *,
    serves: ModelRouteSpec | None = spec(),  # noqa: B008 - frozen
    acceptance: Acceptance = ACCEPTED,
    autoscaling: Autoscaling | None = AUTO,
    published: bool = True,
    **fields: Any,
) -> Situation:
    return Situation(
        generation=3,
        acceptance=acceptance,
        serves=serves,
        survey=survey,
        published=published,
        autoscaling=autoscaling,
        **fields,
    )


def found(type_: Type, of: Situation, previous: Mapping[str, Condition] | None = None) -> tuple[str, str]:
    return next((one.status, one.reason) for one in evaluate(of, previous or {}) if one.type == type_)


def seen(type_: Type, status: str = "True", generation: int = 3) -> dict[str, Condition]:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return {
        type_: Condition(
            type=type_, status=status, observed_generation=generation, last_transition_time=at, reason="Serving"
        )
    }


MANUAL = spec(scaling={"mode": "Manual", "replicas": 0})
HELD = spec(scaling={"paused": "ScaleOut"})
STOPPED = spec(scaling={"paused": "All"})
HELD_UP = spec(scaling={"paused": "ScaleIn"})
BROKEN = workers(1, 0, 1, problems=(PULL,))
ASLEEP = workers(0)
WITHHELD: dict[str, Any] = {"published": False, "apply_error": "deployments is forbidden"}

CASES: dict[str, tuple[Type, Situation, tuple[str, str]]] = {
    "a spec that is served is accepted": ("Accepted", situation(), ("True", "Accepted")),
    "a spec that cannot be served is not": ("Accepted", situation(acceptance=INVALID), ("False", "InvalidSpec")),
    "a spec whose name is taken is not": (
        "Accepted",
        situation(acceptance=CONFLICT, serves=None),
        ("False", "ModelNameConflict"),
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
    "without a worker nobody knows about the secrets": (
        "ResolvedRefs",
        situation(ASLEEP, serves=SECRET),
        ("Unknown", "NotChecked"),
    ),
    "a pod that misses a secret says so": (
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
    "none is wanted": ("WorkersReady", situation(ASLEEP), ("True", "ScaledToZero")),
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
    "a route that sleeps wakes": ("Serving", situation(ASLEEP), ("True", "Idle")),
    "a route that was never looked at wakes": ("Serving", situation(ASLEEP, autoscaling=None), ("True", "Idle")),
    "a route that may only grow wakes": ("Serving", situation(ASLEEP, serves=HELD_UP), ("True", "Idle")),
    "nobody wakes a route whose number is set by hand": (
        "Serving",
        situation(ASLEEP, serves=MANUAL),
        ("False", "NoWorkers"),
    ),
    "nobody wakes a route that may not grow": ("Serving", situation(ASLEEP, serves=HELD), ("False", "NoWorkers")),
    "nobody wakes a route that is paused": ("Serving", situation(ASLEEP, serves=STOPPED), ("False", "NoWorkers")),
    "without a broker nobody is woken": (
        "Serving",
        situation(ASLEEP, autoscaling=NO_BROKER),
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
    "what the catalogue does not have wakes nobody": (
        "Serving",
        situation(ASLEEP, published=False),
        ("False", "BrokerUnavailable"),
    ),
    "an older version serves while the catalogue does not have this one": (
        "Serving",
        situation(published=False),
        ("True", "Serving"),
    ),
    "an older version wakes while the objects of this one cannot be applied": (
        "Serving",
        situation(ASLEEP, older=True, **WITHHELD),
        ("True", "Idle"),
    ),
    "an older version has workers while the objects of this one cannot be applied": (
        "Serving",
        situation(older=True, **WITHHELD),
        ("True", "Serving"),
    ),
    "an older version needs the broker too": (
        "Serving",
        situation(ASLEEP, older=True, autoscaling=NO_BROKER, **WITHHELD),
        ("False", "BrokerUnavailable"),
    ),
    "a first version whose objects cannot be applied does not serve, and the broker is not why": (
        "Serving",
        situation(ASLEEP, **WITHHELD),
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
    "nobody has looked at the load yet": ("ScalingActive", situation(autoscaling=None), ("Unknown", "NotChecked")),
    "somebody decides by hand": ("ScalingActive", situation(serves=MANUAL), ("False", "Manual")),
    "somebody has paused it": ("ScalingActive", situation(serves=HELD), ("False", "Paused")),
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
    "a cold start is nothing to look at": ("Degraded", situation(workers(3, 0, 3)), ("False", "AsExpected")),
    "a route that sleeps is nothing to look at": ("Degraded", situation(ASLEEP), ("False", "AsExpected")),
    "a pod that cannot run is": ("Degraded", situation(workers(2, 1, 1, problems=(FULL,))), ("True", "Unschedulable")),
    "a version that is not served is": ("Degraded", situation(acceptance=INVALID), ("True", "InvalidSpec")),
    "objects that cannot be applied are": ("Degraded", situation(apply_error="forbidden"), ("True", "ApplyFailed")),
    "a load that nobody knows is": ("Degraded", situation(autoscaling=NO_BROKER), ("True", "BrokerUnavailable")),
    "a catalogue that cannot be written is": (
        "Degraded",
        situation(published=False),
        ("True", "BrokerUnavailable"),
    ),
    # Ready
    "what is asked for is served": ("Ready", situation(), ("True", "Serving")),
    "what is asked for would be served": ("Ready", situation(ASLEEP), ("True", "Idle")),
    "another version is served than the one that is asked for": (
        "Ready",
        situation(acceptance=INVALID),
        ("False", "InvalidSpec"),
    ),
    "the problem says more than that there is no worker": ("Ready", situation(BROKEN), ("False", "ImagePullFailed")),
    "a worker is starting": ("Ready", situation(workers(1, 0, 1)), ("False", "NoWorkers")),
    "somebody keeps it at zero": ("Ready", situation(ASLEEP, serves=MANUAL), ("False", "NoWorkers")),
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


def test_conditions_are_complete_from_the_first_pass() -> None:
    nothing = Situation(generation=1, acceptance=ACCEPTED, serves=spec(), survey=Survey(), published=False)
    assert [one.type for one in evaluate(nothing, {})] == list(REASONS)


@pytest.mark.parametrize("type_", ["Accepted", "Ready", "Degraded"])
def test_conditions_of_a_rejected_version_name_the_served_one(type_: Type) -> None:
    def message(serves: ModelRouteSpec | None) -> str:
        all_ = evaluate(situation(acceptance=INVALID, serves=serves), {})
        return next(one.message for one in all_ if one.type == type_)

    assert message(spec()) == "limits: too long; the last good version keeps serving"
    assert message(None) == "limits: too long; nothing is served"


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (situation(), "this version is served"),
        (situation(**WITHHELD), "this version can be served, but is not yet: deployments is forbidden"),
        (situation(published=False), f"this version can be served, but is not yet: {UNPUBLISHED}"),
    ],
    ids=["served", "not applied", "not published"],
)
def test_conditions_of_an_accepted_version_name_whether_it_is_served(of: Situation, message: str) -> None:
    assert next(one.message for one in evaluate(of, {}) if one.type == "Accepted") == message


@pytest.mark.parametrize("type_", ["WorkersReady", "Serving", "Ready", "Degraded"])
def test_conditions_have_the_message_of_the_pod(type_: Type) -> None:
    assert {one.message for one in evaluate(situation(BROKEN), {}) if one.type == type_} == {"pod a: denied"}


@pytest.mark.parametrize(
    ("previous", "expected"),
    [
        (seen("ResolvedRefs"), ("True", "Resolved")),
        (seen("ResolvedRefs", generation=2), ("Unknown", "NotChecked")),
        (seen("ResolvedRefs", "False"), ("Unknown", "NotChecked")),
        (seen("ResolvedRefs", "Unknown"), ("Unknown", "NotChecked")),
    ],
    ids=["they were there", "of another version", "they were not", "nobody knew"],
)
def test_conditions_keep_the_proof_of_secrets_after_the_pod_and_not_for_another_version(
    previous: dict[str, Condition], expected: tuple[str, str]
) -> None:
    assert found("ResolvedRefs", situation(ASLEEP, serves=SECRET), previous) == expected


def test_conditions_report_a_removed_secret_despite_an_older_proof() -> None:
    of = situation(workers(1, 0, 1, problems=(NO_SECRET,)), serves=SECRET)
    assert found("ResolvedRefs", of, seen("ResolvedRefs")) == ("False", "SecretNotFound")


@pytest.mark.parametrize(
    "of", [situation(workers(1, 1, unobserved=True)), situation(applying=True)], ids=["scaling", "repairing"]
)
def test_conditions_stay_ready_while_a_served_version_is_scaled_or_repaired(of: Situation) -> None:
    assert found("Ready", of, seen("Ready")) == ("True", "Serving")
    assert found("Ready", of, seen("Ready", generation=2)) == ("Unknown", "RollingOut")
    assert found("Ready", of, seen("Ready", "Unknown")) == ("Unknown", "RollingOut")


SPECS = st.sampled_from([spec(), MANUAL, HELD, STOPPED, HELD_UP, SECRET])
SURVEYS = st.builds(
    workers,
    st.none() | st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 2),
    st.integers(0, 2),
    rolling=st.booleans(),
    unobserved=st.booleans(),
    problems=st.sampled_from([(), (PULL,), (NO_SECRET, FULL)]),
)
SITUATIONS = st.builds(
    Situation,
    generation=st.just(3),
    acceptance=st.sampled_from([ACCEPTED, INVALID, CONFLICT]),
    serves=SPECS,
    survey=SURVEYS,
    published=st.booleans(),
    applying=st.booleans(),
    older=st.booleans(),
    apply_error=st.sampled_from(["", "forbidden"]),
    autoscaling=st.sampled_from([None, AUTO, NO_BROKER, NO_QUEUE, FELL_BACK]),
) | st.builds(
    Situation,
    generation=st.just(3),
    acceptance=st.sampled_from([INVALID, CONFLICT]),
    serves=st.none(),
    survey=SURVEYS,
    published=st.booleans(),
    autoscaling=st.sampled_from([None, AUTO]),
)


@given(SITUATIONS)
def test_conditions_do_not_contradict_each_other(of: Situation) -> None:
    by_type: dict[str, Finding] = {one.type: one for one in evaluate(of, {})}

    for one in by_type.values():
        assert one.reason in REASONS[one.type]
        assert one.message
    if by_type["Ready"].status == "True":
        assert by_type["Accepted"].status == by_type["Serving"].status == "True"
        assert by_type["ResolvedRefs"].status != "False"
    if by_type["Accepted"].status == "False":
        assert by_type["Degraded"].status == "True"
    if by_type["Serving"].reason == "Serving":
        assert of.survey.ready > 0
    if by_type["Serving"].reason == "Idle":
        assert by_type["WorkersReady"].reason == "ScaledToZero"
        assert by_type["ScalingActive"].reason in {"Active", "NotChecked", "Paused"}


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


TWO = spec(providers=[provider("a", **secret("openai")), provider("b", **secret("azure"), priority=1)])


def test_conditions_name_the_provider_and_secret_of_a_rejected_key() -> None:
    (degraded,) = [one for one in evaluate(situation(serves=TWO, refusing_keys=("a",)), {}) if one.type == "Degraded"]

    assert (degraded.status, degraded.reason) == ("True", "ProviderAuthFailed")
    assert degraded.message == "the provider a rejects the key key of the Secret openai"


def test_conditions_name_each_secret_of_rejected_credentials() -> None:
    header = {"name": "x-token", "valueFrom": secret("access", "token")}
    serves = spec(providers=[provider("a", **secret("openai"), headers=[header])])

    (degraded,) = [
        one for one in evaluate(situation(serves=serves, refusing_keys=("a",)), {}) if one.type == "Degraded"
    ]

    assert degraded.message == (
        "the provider a rejects the key key of the Secret openai or the key token of the Secret access"
    )


def test_conditions_stay_ready_while_one_provider_accepts_its_key() -> None:
    assert found("Ready", situation(serves=TWO, refusing_keys=("a",))) == ("True", "Serving")
    assert found("Ready", situation(serves=TWO, refusing_keys=("a", "b"))) == ("False", "ProviderAuthFailed")


def test_conditions_ignore_a_rejected_key_of_a_removed_provider() -> None:
    assert found("Degraded", situation(serves=TWO, refusing_keys=("former",))) == ("False", "AsExpected")
