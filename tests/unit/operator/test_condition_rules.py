"""Rules that hold for the conditions of every situation, and rejected keys."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.routes import provider, secret, spec
from unit.support.situations import (
    ACCEPTED,
    AUTO,
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

from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.status import Condition
from penstock_operator.status.conditions import UNPUBLISHED, Finding, Situation, evaluate
from penstock_operator.status.pod_summary import Survey
from penstock_operator.status.reasons import REASONS, Type


def seen(type_: Type, status: str = "True", generation: int = 3) -> dict[str, Condition]:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return {
        type_: Condition(
            type=type_, status=status, observed_generation=generation, last_transition_time=at, reason="Serving"
        )
    }


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
    ids=["they existed", "of another version", "they did not exist", "unknown"],
)
def test_conditions_keep_the_proof_of_secrets_after_the_pod_and_not_for_another_version(
    previous: dict[str, Condition], expected: tuple[str, str]
) -> None:
    assert found("ResolvedRefs", situation(NO_WORKERS, serves=SECRET), previous) == expected


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
