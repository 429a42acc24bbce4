"""A ModelRoute's status: what the operator last saw and decided. It is read by people, `kubectl wait` and `/scale`.

Everything is written each time, zeros too: a status whose fields come and go cannot be compared. What the reasons of
the conditions mean is in docs/reference/conditions.md.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from penstock_contract.route.values import Replicas

# With whole seconds, as Kubernetes writes them.
Time = Annotated[datetime, Meta(tz=True)]
Generation = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Reason = Annotated[str, Meta(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?\Z", max_length=1024)]
Message = Annotated[str, Meta(max_length=32_768)]


class _Camel(Struct, frozen=True, kw_only=True, rename="camel"):
    """Unlike the spec it accepts unknown fields: a newer operator's status must not stop an older one."""


class Condition(_Camel, frozen=True, kw_only=True):
    """metav1.Condition."""

    type: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=316,
            description="Type of condition, such as `Serving`; see docs/reference/conditions.md.",
        ),
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Meta(description="Status of the condition.")]
    observed_generation: Annotated[
        Generation, Meta(description="Generation of the spec that the condition describes.")
    ] = 0
    last_transition_time: Annotated[Time, Meta(description="Time of the last change of `status`.")]
    reason: Annotated[Reason, Meta(description="Reason in one word, for programs.")]
    message: Annotated[Message, Meta(description="Explanation for people.")] = ""


class LastDecision(_Camel, frozen=True, kw_only=True):
    """The last change of the number of workers."""

    at: Annotated[Time, Meta(description="Time of the decision.")]
    from_: Annotated[Replicas, Meta(description="Desired number of workers before.")] = field(name="from")
    to: Annotated[Replicas, Meta(description="Desired number of workers since.")]
    reason: Annotated[Reason, Meta(description="Reason in one word, for programs.")]
    message: Annotated[Message, Meta(description="Reason with its numbers.")] = ""


class ModelRouteStatus(_Camel, frozen=True, kw_only=True):
    observed_generation: Annotated[
        Generation, Meta(description="Generation of the spec that this status describes.")
    ] = 0
    replicas: Annotated[Count, Meta(description="Number of the workers' pods.")] = 0
    ready_replicas: Annotated[Count, Meta(description="Workers that take requests.")] = 0
    draining_replicas: Annotated[
        Generation, Meta(description="Workers that finish their streams and take no new request.")
    ] = 0
    desired_replicas: Annotated[Count, Meta(description="Desired number of workers.")] = 0
    selector: Annotated[
        str, Meta(max_length=512, description="The label selector of the workers' pods, for the scale subresource.")
    ] = ""
    last_decision: Annotated[
        LastDecision | UnsetType, Meta(description="The last change of the number of workers.")
    ] = UNSET
    conditions: Annotated[
        list[Condition],
        Meta(
            max_length=16,
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
            description="Conditions of the route; `Ready` is the summary.",
        ),
    ] = []
