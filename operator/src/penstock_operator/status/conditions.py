"""The conditions of a route's status, computed from its situation; pure.

    Accepted       this generation of the spec can be served; the message has whether it is
    ResolvedRefs   the secrets of the spec exist, as proven by a started worker
    WorkersReady   all desired workers are ready
    Serving        a request is served now, or starts a worker
    ScalingActive  the number of workers follows the load
    Degraded       a problem needs attention; the only condition whose good status is False
    Ready          the spec is in force, and served

docs/reference/conditions.md has the meaning and the remedy of each reason. Nothing here changes with the load.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.status import Condition
from penstock_operator.routes.worker_variables import secret_refs
from penstock_operator.status.pod_summary import Survey
from penstock_operator.status.reasons import AcceptedReason, Status, Type
from penstock_operator.status.scaling_view import Autoscaling

UNPUBLISHED: Final = "this version is not in the catalogue of routes yet"


class Acceptance(Struct, frozen=True):
    """State of the present spec: it can be served, or the reason why not."""

    reason: AcceptedReason
    message: str

    @property
    def accepted(self) -> bool:
        return self.reason == "Accepted"


class Situation(Struct, frozen=True, kw_only=True):
    """All inputs of the conditions. `serves` is the served version, None for none.

    `published`: the catalogue has that version; `older`: it has an older one of this route. `applying`: the Deployment
    differed from its manifest when the pods were observed. `apply_error`: why an object cannot be applied.
    `autoscaling` is None before the first observation. `refusing_keys` are names of the providers that reject a
    worker's key, `failing` of those of which a worker's last calls all failed.
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
    failing: tuple[str, ...] = ()

    @property
    def unpublished_because(self) -> str:
        """Objects come first: a version that cannot be applied is not published, regardless of the broker."""
        return self.apply_error or UNPUBLISHED


class Finding(NamedTuple):
    """A condition without its times."""

    type: Type
    status: Status
    reason: str
    message: str


def evaluate(situation: Situation, previous: Mapping[str, Condition]) -> list[Finding]:
    """Returns all conditions, the summary first. `previous` are the last written conditions, by type."""
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
        later = f"this version can be served, but is not yet: {situation.unpublished_because}"
        return Finding("Accepted", "True", "Accepted", later)
    outcome = "the last good version keeps serving" if situation.serves is not None else "nothing is served"
    return Finding("Accepted", "False", acceptance.reason, f"{acceptance.message}; {outcome}")


def _resolved_refs(situation: Situation, previous: Condition | None) -> Finding:
    if situation.serves is None:
        return Finding("ResolvedRefs", "Unknown", "NotChecked", "nothing is served")
    refs = {(ref.name, ref.key) for ref in secret_refs(situation.serves).values()}
    if not refs:
        return Finding("ResolvedRefs", "True", "Resolved", "the spec names no secret")
    for problem in situation.survey.problems:
        if problem.reason in {"SecretNotFound", "SecretKeyNotFound"}:
            return Finding("ResolvedRefs", "False", problem.reason, problem.message)
    # The operator does not read secrets: a container that was created with them is the proof, and remains one later.
    proven = previous is not None and previous.status == "True" and previous.observed_generation == situation.generation
    if proven or refs <= situation.survey.proven_secrets:
        return Finding("ResolvedRefs", "True", "Resolved", "a worker was created with each secret")
    return Finding("ResolvedRefs", "Unknown", "NotChecked", "no worker was created with them yet")


def _workers_ready(situation: Situation) -> Finding:
    survey, due = situation.survey, situation.survey.due
    if situation.serves is None:
        return Finding("WorkersReady", "False", "NotAccepted", "nothing is served")
    if survey.wanted is None:
        if situation.apply_error:
            return Finding("WorkersReady", "False", "ApplyFailed", situation.apply_error)
        return Finding("WorkersReady", "False", "Starting", "the Deployment is being created")
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
        # Also without a broker here: a worker is ready only with a broker connection and a version from the catalogue.
        return Finding("Serving", "True", "Serving", "ready workers take requests")
    if not situation.published and not situation.apply_error:
        return Finding("Serving", "False", "BrokerUnavailable", UNPUBLISHED)
    if situation.apply_error and (survey.wanted is None or not (situation.published or situation.older)):
        return Finding("Serving", "False", "ApplyFailed", situation.apply_error)
    if situation.survey.due > 0 or survey.wanted is None:
        why = survey.problems[0].message if survey.problems else "the first worker is starting"
        return Finding("Serving", "False", "NoWorkers", why)
    if (cause := kept_at_zero(serves)) is not None:
        return Finding("Serving", "False", "NoWorkers", cause)
    if autoscaling.trouble is not None:
        return Finding("Serving", "False", autoscaling.trouble, autoscaling.message)
    return Finding("Serving", "True", "Idle", "the first request starts a worker")


def kept_at_zero(spec: ModelRouteSpec) -> str | None:
    """Why a request to a route without workers starts none, None if it does."""
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
    if failing := failing_providers(situation):
        return Finding("Degraded", "True", "ProviderFailing", failing)
    if not situation.acceptance.accepted:
        return Finding("Degraded", "True", situation.acceptance.reason, _accepted(situation).message)
    return Finding("Degraded", "False", "AsExpected", "no problem is known")


def refused_keys(situation: Situation) -> str:
    """Describes the providers that reject a worker's key, and where each key is; empty for none."""
    if situation.serves is None:
        return ""
    rejections = []
    for provider in situation.serves.providers:
        if provider.name in situation.refusing_keys:
            keys = " or ".join(f"the key {ref.key} of the Secret {ref.name}" for ref in provider.secret_refs)
            rejections.append(f"the provider {provider.name} rejects {keys or 'a call without a key'}")
    return "; ".join(rejections)


def failing_providers(situation: Situation) -> str:
    """Names the providers of which the last calls all failed; empty for none."""
    if situation.serves is None:
        return ""
    names = [provider.name for provider in situation.serves.providers if provider.name in situation.failing]
    return f"the last calls of {' and '.join(f'the provider {name}' for name in names)} failed" if names else ""


def _every_key_is_refused(situation: Situation) -> bool:
    providers = situation.serves.providers if situation.serves is not None else []
    weighted = {provider.name for provider in providers if provider.weight > 0}
    return bool(weighted) and weighted <= set(situation.refusing_keys)


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
        # Not False: there is no problem, and the older version serves meanwhile.
        return Finding("Ready", "Unknown", "RollingOut", "workers of the older version are being replaced")
    return Finding("Ready", "True", serving.reason, serving.message)


def _rolling(situation: Situation, previous: Condition | None) -> bool:
    """True if some workers are of an older version, or may be.

    The status of a Deployment that its controller has not observed yet is unknown. Once this generation was in force,
    the reason can only be a changed number of workers. Without pods, those of a new route for example, nothing is
    replaced.
    """
    if not situation.survey.replicas and not situation.survey.draining:
        return False
    in_force = (
        previous is not None and previous.status == "True" and previous.observed_generation == situation.generation
    )
    return situation.survey.rolling or ((situation.survey.unobserved or situation.applying) and not in_force)
