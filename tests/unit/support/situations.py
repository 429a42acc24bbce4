"""Situations of a route, as its conditions are composed from them."""

from collections.abc import Mapping
from typing import Any

from unit.support.routes import provider, secret, spec

from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.status import Condition
from penstock_operator.status.conditions import Acceptance, Autoscaling, Situation, evaluate
from penstock_operator.status.pod_problems import Problem
from penstock_operator.status.pod_summary import Survey
from penstock_operator.status.reasons import Type

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


MANUAL = spec(scaling={"mode": "Manual", "replicas": 0})
HELD = spec(scaling={"paused": "ScaleOut"})
STOPPED = spec(scaling={"paused": "All"})
HELD_UP = spec(scaling={"paused": "ScaleIn"})
BROKEN = workers(1, 0, 1, problems=(PULL,))
NO_WORKERS = workers(0)
WITHHELD: dict[str, Any] = {"published": False, "apply_error": "deployments is forbidden"}
