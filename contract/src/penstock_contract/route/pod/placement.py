"""Placement of a route's worker pods: tolerations, affinity and spread constraints as a Pod has them, with bounds.

Copies of Kubernetes' own types (core/v1, 1.36), so that the API server can refuse what is too deep, too large or
misspelt when the ModelRoute is applied. Free-form fields were the alternative: with them one route could hold a
megabyte of nested JSON, which every reader of the route had to decode.
"""

from typing import Annotated, Literal

from msgspec import Meta

from penstock_contract.route.values import RouteStruct

LABEL_KEY_MAX = 317
"""A prefix of 253 characters, a slash, and a name of 63."""
LabelKey = Annotated[str, Meta(max_length=LABEL_KEY_MAX)]
LabelValue = Annotated[str, Meta(max_length=63)]
Values = Annotated[list[LabelValue], Meta(max_length=64, description="The values to compare with.")]
Weight = Annotated[int, Meta(ge=1, le=100, description="The preference's weight.")]


class Toleration(RouteStruct, frozen=True, kw_only=True):
    """A taint that the pods tolerate."""

    key: Annotated[LabelKey | None, Meta(description="The taint's key. Not set: every taint, with `Exists`.")] = None
    operator: Annotated[
        Literal["Equal", "Exists", "Gt", "Lt"] | None, Meta(description="How the value is compared. Not set: `Equal`.")
    ] = None
    value: Annotated[LabelValue | None, Meta(description="The taint's value.")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None,
        Meta(description="The taint's effect. Not set: every effect."),
    ] = None
    toleration_seconds: Annotated[
        int | None, Meta(description="How long `NoExecute` is tolerated. Not set: for ever.")
    ] = None


class NodeRequirement(RouteStruct, frozen=True, kw_only=True):
    """A condition on a label or a field of a node."""

    key: Annotated[LabelKey, Meta(description="The label or field.")]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"], Meta(description="How it is compared.")
    ]
    values: Values = []


NodeRequirements = Annotated[list[NodeRequirement], Meta(max_length=32, description="All of these must hold.")]


class NodeTerm(RouteStruct, frozen=True, kw_only=True):
    """Nodes for which all requirements hold."""

    match_expressions: NodeRequirements = []
    match_fields: NodeRequirements = []


class NodeSelector(RouteStruct, frozen=True, kw_only=True):
    """Nodes for which one of the terms holds."""

    node_selector_terms: Annotated[list[NodeTerm], Meta(max_length=32, description="One of these must hold.")]


class PreferredNodeTerm(RouteStruct, frozen=True, kw_only=True):
    """Nodes that are preferred."""

    weight: Weight
    preference: Annotated[NodeTerm, Meta(description="The preferred nodes.")]


class NodeAffinity(RouteStruct, frozen=True, kw_only=True):
    """The nodes on which workers run."""

    required_during_scheduling_ignored_during_execution: Annotated[
        NodeSelector | None, Meta(description="Nodes on which alone workers may run.")
    ] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredNodeTerm], Meta(max_length=32, description="Nodes on which workers should run.")
    ] = []


class LabelRequirement(RouteStruct, frozen=True, kw_only=True):
    """A condition on a label."""

    key: Annotated[LabelKey, Meta(description="The label.")]
    operator: Annotated[Literal["In", "NotIn", "Exists", "DoesNotExist"], Meta(description="How it is compared.")]
    values: Values = []


class LabelSelector(RouteStruct, frozen=True, kw_only=True):
    """Objects by their labels; an empty one selects all."""

    match_labels: Annotated[
        Annotated[dict[str, LabelValue], Meta(max_length=32)], Meta(description="Labels that must be equal.")
    ] = {}
    match_expressions: Annotated[
        list[LabelRequirement], Meta(max_length=32, description="Conditions that must hold.")
    ] = []


LabelKeys = Annotated[list[LabelKey], Meta(max_length=16)]


class PodTerm(RouteStruct, frozen=True, kw_only=True):
    """Pods, and the domain of nodes around them."""

    topology_key: Annotated[LabelKey, Meta(min_length=1, description="The node's label that names the domain.")]
    label_selector: Annotated[LabelSelector | None, Meta(description="The pods, by their labels. Not set: none.")] = (
        None
    )
    namespaces: Annotated[
        list[Annotated[str, Meta(max_length=63)]],
        Meta(max_length=32, description="The pods' namespaces. None: the route's own."),
    ] = []
    namespace_selector: Annotated[LabelSelector | None, Meta(description="The pods' namespaces, by their labels.")] = (
        None
    )
    match_label_keys: Annotated[LabelKeys, Meta(description="Labels that must be as the worker's.")] = []
    mismatch_label_keys: Annotated[LabelKeys, Meta(description="Labels that must not be as the worker's.")] = []


class WeightedPodTerm(RouteStruct, frozen=True, kw_only=True):
    """Pods that are preferred."""

    weight: Weight
    pod_affinity_term: Annotated[PodTerm, Meta(description="The pods and their domain.")]


class PodAffinity(RouteStruct, frozen=True, kw_only=True):
    """The pods beside which workers run, or do not run."""

    required_during_scheduling_ignored_during_execution: Annotated[
        list[PodTerm], Meta(max_length=16, description="Terms that must hold.")
    ] = []
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[WeightedPodTerm], Meta(max_length=16, description="Terms that should hold.")
    ] = []


class Affinity(RouteStruct, frozen=True, kw_only=True):
    """As in a Pod."""

    node_affinity: Annotated[NodeAffinity | None, Meta(description="Nodes on which workers run.")] = None
    pod_affinity: Annotated[PodAffinity | None, Meta(description="Pods beside which workers run.")] = None
    pod_anti_affinity: Annotated[PodAffinity | None, Meta(description="Pods beside which no worker runs.")] = None


class TopologySpreadConstraint(RouteStruct, frozen=True, kw_only=True):
    """As in a Pod."""

    max_skew: Annotated[int, Meta(ge=1, le=1_000_000, description="How unevenly workers may be spread.")]
    topology_key: Annotated[LabelKey, Meta(min_length=1, description="The node's label that names the domain.")]
    when_unsatisfiable: Annotated[
        Literal["DoNotSchedule", "ScheduleAnyway"], Meta(description="What happens to a pod that fits nowhere.")
    ]
    label_selector: Annotated[LabelSelector | None, Meta(description="The pods that are counted. Not set: none.")] = (
        None
    )
    min_domains: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None, Meta(description="The least number of domains.")
    ] = None
    node_affinity_policy: Annotated[
        Literal["Honor", "Ignore"] | None, Meta(description="Whether the affinity to nodes limits the domains.")
    ] = None
    node_taints_policy: Annotated[
        Literal["Honor", "Ignore"] | None, Meta(description="Whether taints limit the domains.")
    ] = None
    match_label_keys: Annotated[LabelKeys, Meta(description="Labels that must be as the worker's.")] = []
