"""The number of workers of a ModelRoute, and what it follows."""

from typing import Annotated, Literal

from msgspec import Meta

from penstock_contract.route.values import Replicas, RouteStruct, WholeSeconds


class FallbackSpec(RouteStruct, frozen=True, kw_only=True):
    """The number of workers while the load cannot be measured: an error is never read as zero."""

    after_seconds: Annotated[
        WholeSeconds,
        Meta(description="Time for which the load must be unknown. Until then the number of workers is held."),
    ] = 60
    behavior: Annotated[
        Literal["Hold", "Static", "HoldIfHigher"],
        Meta(
            description="`Hold` keeps the number of workers, `Static` sets `replicas`, `HoldIfHigher` sets"
            " `replicas` but never lowers the number."
        ),
    ] = "Hold"
    replicas: Annotated[Replicas, Meta(description="Number of workers for `Static` and `HoldIfHigher`.")] = 1


class ScalingSpec(RouteStruct, frozen=True, kw_only=True):
    """The number of workers. `concurrencyPerReplica` is a worker's slots; all else applies in a cluster only."""

    mode: Annotated[
        Literal["Auto", "Manual"],
        Meta(
            description="`Auto` follows the load; `Manual` leaves the number to `replicas` and the scale subresource."
        ),
    ] = "Auto"
    replicas: Annotated[
        Replicas,
        Meta(description="Number of workers with `mode: Manual`; `kubectl scale` reads and writes it."),
    ] = 1
    min_replicas: Annotated[
        Replicas,
        Meta(description="The fewest workers with `mode: Auto`; 0 scales to zero without demand."),
    ] = 0
    max_replicas: Annotated[int, Meta(ge=1, le=1000, description="The most workers with `mode: Auto`.")] = 10
    concurrency_per_replica: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Slots of one worker: requests that it serves at the same time."),
    ] = 64
    target_utilization_percent: Annotated[
        int,
        Meta(ge=10, le=100, description="Target share of used slots; less keeps slots free for a burst."),
    ] = 100
    stable_window_seconds: Annotated[
        int,
        Meta(
            ge=2,
            le=3600,
            description="Time for which fewer workers must have been enough before a scale-in.",
        ),
    ] = 60
    panic_window_seconds: Annotated[
        int, Meta(ge=1, le=600, description="Time over which the load is averaged to detect a burst.")
    ] = 6
    panic_threshold_percent: Annotated[
        int,
        Meta(
            ge=110,
            le=1000,
            description="A burst begins when the load of the panic window needs this share of the ready"
            " workers; no scale-in until `stableWindowSeconds` after it.",
        ),
    ] = 200
    scale_to_zero_after_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400,
            description="Time without demand before the last worker is removed, with `minReplicas: 0`.",
        ),
    ] = 300
    paused: Annotated[
        Literal["None", "ScaleIn", "ScaleOut", "All"],
        Meta(description="Changes of the number of workers that are held back."),
    ] = "None"
    fallback: Annotated[FallbackSpec, Meta(description="Behaviour while the load cannot be measured.")] = FallbackSpec()
