"""What is so about a route and why, as the conditions of its status; pure.

    Accepted       this generation of the spec can be served; the message says whether it is
    ResolvedRefs   the secrets that it names are there, as far as a worker has shown it
    WorkersReady   there are as many ready workers as there should be
    Serving        a request is answered now, or wakes a worker
    ScalingActive  the operator follows the load
    Degraded       something needs somebody's attention; the only one whose good value is False
    Ready          what the spec asks for is in force, and served

docs/reference/conditions.md has the meaning and the remedy of each reason. Nothing here changes with the load.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.status import Condition
from penstock_operator.reconcile import manifests
from penstock_operator.status.pod_summary import Survey
from penstock_operator.status.reasons import Status, Type

AcceptedReason = Literal["Accepted", "InvalidSpec", "ModelNameConflict"]
Trouble = Literal["BrokerUnavailable", "QueueMissing"]

UNPUBLISHED: Final = "the catalogue of routes does not have this version yet"


class Acceptance(Struct, frozen=True):
    """Whether the spec as it is now is the one to serve, and if not, why."""

    reason: AcceptedReason
    message: str

    @property
    def accepted(self) -> bool:
        return self.reason == "Accepted"


class Autoscaling(Struct, frozen=True):
    """What the autoscaler can see: `trouble` if it cannot, and whether it fell back since. `message` says more."""

    trouble: Trouble | None = None
    fallback: bool = False
    message: str = ""


class Situation(Struct, frozen=True, kw_only=True):
    """Everything that the conditions are made of. `serves` is the version that is served, None if none is.

    `published`: the catalogue holds that very version; `older`: it holds an older one of this route. `applying`: the
    Deployment was not as wanted when the pods were looked at. `apply_error`: why the objects cannot be brought to what
    is wanted. `autoscaling` is None before the first look. `refusing_keys` are names of the providers
    that refuse a worker's key.
    """

    generation: int
    acceptance: Acceptance
    serves: ModelRouteSpec | None
    survey: Survey
    published: bool
    older: bool = False
    applying: bool = False
    apply_error: str = ""
    autoscaling: Autoscaling | None = None
    refusing_keys: tuple[str, ...] = ()

    @property
    def unpublished_because(self) -> str:
        """Objects come first: what cannot be applied is not published, whatever the broker does."""
        return self.apply_error or UNPUBLISHED


class Finding(NamedTuple):
    """A condition without its times."""

    type: Type
    status: Status
    reason: str
    message: str


def evaluate(situation: Situation, previous: Mapping[str, Condition]) -> list[Finding]:
    """All of them, the summary first. `previous` are the conditions that were last written, by type."""
    accepted = _accepted(situation)
    refs = _resolved_refs(situation, previous.get("ResolvedRefs"))
    serving = _serving(situation)
    return [
        _ready(situation, refs, serving, previous.get("Ready")),
        accepted,
        refs,
        _workers_ready(situation),
        serving,
        _scaling_active(situation),
        _degraded(situation),
    ]


def _accepted(situation: Situation) -> Finding:
    acceptance = situation.acceptance
    if acceptance.accepted:
        if situation.published:
            return Finding("Accepted", "True", "Accepted", acceptance.message)
        later = f"this version can be served, and is not yet: {situation.unpublished_because}"
        return Finding("Accepted", "True", "Accepted", later)
    outcome = "the last good version keeps serving" if situation.serves is not None else "nothing is served"
    return Finding("Accepted", "False", acceptance.reason, f"{acceptance.message}; {outcome}")


def _resolved_refs(situation: Situation, previous: Condition | None) -> Finding:
    if situation.serves is None:
        return Finding("ResolvedRefs", "Unknown", "NotChecked", "nothing is served")
    refs = {(ref.name, ref.key) for ref in manifests.secret_refs(situation.serves).values()}
    if not refs:
        return Finding("ResolvedRefs", "True", "Resolved", "no secret is named")
    for problem in situation.survey.problems:
        if problem.reason in {"SecretNotFound", "SecretKeyNotFound"}:
            return Finding("ResolvedRefs", "False", problem.reason, problem.message)
    # The operator does not read secrets: a container that was made with them is the proof, and it outlives the pod.
    proven = previous is not None and previous.status == "True" and previous.observed_generation == situation.generation
    if proven or refs <= situation.survey.proven_secrets:
        return Finding("ResolvedRefs", "True", "Resolved", "a worker was made with each secret")
    return Finding("ResolvedRefs", "Unknown", "NotChecked", "no worker was made with them yet")


def _workers_ready(situation: Situation) -> Finding:
    survey, due = situation.survey, situation.survey.due
    if situation.serves is None:
        return Finding("WorkersReady", "False", "NotAccepted", "nothing is served")
    if survey.wanted is None:
        if situation.apply_error:
            return Finding("WorkersReady", "False", "ApplyFailed", situation.apply_error)
        return Finding("WorkersReady", "False", "Starting", "the Deployment is being made")
    if due == 0:
        return Finding("WorkersReady", "True", "ScaledToZero", "no worker is needed")
    if survey.ready >= due:
        return Finding("WorkersReady", "True", "WorkersReady", f"{due} of {due} workers are ready")
    if survey.problems:
        problem = survey.problems[0]
        return Finding("WorkersReady", "False", problem.reason, problem.message)
    return Finding("WorkersReady", "False", "Starting", f"{survey.ready} of {due} workers are ready")


def _serving(situation: Situation) -> Finding:
    serves, survey = situation.serves, situation.survey
    if serves is None:
        return Finding("Serving", "False", "NotAccepted", "no version of the spec can be served")
    autoscaling = situation.autoscaling or Autoscaling()
    if autoscaling.trouble == "QueueMissing":
        return Finding("Serving", "False", "QueueMissing", autoscaling.message)
    if survey.ready > 0:
        # Also if the operator has no broker: a worker is ready only if it has one, and a version in the catalogue.
        return Finding("Serving", "True", "Serving", "ready workers take requests")
    if not situation.published and not situation.apply_error:
        return Finding("Serving", "False", "BrokerUnavailable", UNPUBLISHED)
    if situation.apply_error and (survey.wanted is None or not (situation.published or situation.older)):
        return Finding("Serving", "False", "ApplyFailed", situation.apply_error)
    if situation.survey.due > 0 or survey.wanted is None:
        why = survey.problems[0].message if survey.problems else "the first worker is starting"
        return Finding("Serving", "False", "NoWorkers", why)
    if (asleep := kept_at_zero(serves)) is not None:
        return Finding("Serving", "False", "NoWorkers", asleep)
    if autoscaling.trouble is not None:
        return Finding("Serving", "False", autoscaling.trouble, autoscaling.message)
    return Finding("Serving", "True", "Idle", "the first request starts a worker")


def kept_at_zero(spec: ModelRouteSpec) -> str | None:
    """Why a route without workers does not wake, None if it does."""
    if spec.scaling.mode == "Manual":
        return "scaling.mode is Manual and the number of workers is 0"
    if spec.scaling.paused in {"ScaleOut", "All"}:
        return f"scaling.paused is {spec.scaling.paused} and the number of workers is 0"
    return None


def _scaling_active(situation: Situation) -> Finding:
    if situation.serves is None:
        return Finding("ScalingActive", "False", "NotAccepted", "nothing is served")
    scaling = situation.serves.scaling
    if scaling.mode == "Manual":
        return Finding("ScalingActive", "False", "Manual", "scaling.replicas and the scale subresource decide")
    if scaling.paused != "None":
        return Finding("ScalingActive", "False", "Paused", f"scaling.paused is {scaling.paused}")
    if situation.autoscaling is None:
        return Finding("ScalingActive", "Unknown", "NotChecked", "the load was not looked at yet")
    if situation.autoscaling.trouble is not None:
        reason = "Fallback" if situation.autoscaling.fallback else situation.autoscaling.trouble
        return Finding("ScalingActive", "False", reason, situation.autoscaling.message)
    bounds = f"between {scaling.min_replicas} and {scaling.max_replicas} workers"
    return Finding("ScalingActive", "True", "Active", f"{bounds}, by the load")


def _degraded(situation: Situation) -> Finding:
    if situation.survey.problems:
        problem = situation.survey.problems[0]
        return Finding("Degraded", "True", problem.reason, problem.message)
    if situation.apply_error:
        return Finding("Degraded", "True", "ApplyFailed", situation.apply_error)
    if situation.autoscaling is not None and situation.autoscaling.trouble is not None:
        return Finding("Degraded", "True", situation.autoscaling.trouble, situation.autoscaling.message)
    if situation.serves is not None and not situation.published:
        return Finding("Degraded", "True", "BrokerUnavailable", UNPUBLISHED)
    if refused := refused_keys(situation):
        return Finding("Degraded", "True", "ProviderAuthFailed", refused)
    if not situation.acceptance.accepted:
        return Finding("Degraded", "True", situation.acceptance.reason, _accepted(situation).message)
    return Finding("Degraded", "False", "AsExpected", "nothing is known to be wrong")


def refused_keys(situation: Situation) -> str:
    """Which providers refuse a worker's key, and where each key is; empty if none does."""
    if situation.serves is None:
        return ""
    told = []
    for provider in situation.serves.providers:
        if provider.name in situation.refusing_keys:
            keys = " or ".join(f"the key {ref.key} of the Secret {ref.name}" for ref in provider.secret_refs)
            told.append(f"the provider {provider.name} refuses {keys or 'a call without a key'}")
    return "; ".join(told)


def _every_key_is_refused(situation: Situation) -> bool:
    providers = situation.serves.providers if situation.serves is not None else []
    asked = {provider.name for provider in providers if provider.weight > 0}
    return bool(asked) and asked <= set(situation.refusing_keys)


def _ready(situation: Situation, refs: Finding, serving: Finding, previous: Condition | None) -> Finding:
    problems = situation.survey.problems
    if not situation.acceptance.accepted:
        return Finding("Ready", "False", situation.acceptance.reason, _accepted(situation).message)
    if refs.status == "False":
        return Finding("Ready", "False", refs.reason, refs.message)
    if situation.apply_error:
        return Finding("Ready", "False", "ApplyFailed", situation.apply_error)
    if serving.status == "False":
        reason = problems[0].reason if serving.reason == "NoWorkers" and problems else serving.reason
        return Finding("Ready", "False", reason, serving.message)
    if not situation.published:
        return Finding("Ready", "False", "BrokerUnavailable", UNPUBLISHED)
    if _every_key_is_refused(situation):
        return Finding("Ready", "False", "ProviderAuthFailed", refused_keys(situation))
    if _rolling(situation, previous):
        if problems:
            return Finding("Ready", "False", problems[0].reason, problems[0].message)
        # Not False: nothing is wrong, and the older version serves meanwhile.
        return Finding("Ready", "Unknown", "RollingOut", "workers of the older version are being replaced")
    return Finding("Ready", "True", serving.reason, serving.message)


def _rolling(situation: Situation, previous: Condition | None) -> bool:
    """Whether some workers are of an older version, or may be for all that is known.

    A Deployment that its controller has not looked at yet says nothing. Once this generation was seen in force, that
    is because the number of workers changed.
    """
    in_force = (
        previous is not None and previous.status == "True" and previous.observed_generation == situation.generation
    )
    return situation.survey.rolling or ((situation.survey.unobserved or situation.applying) and not in_force)
