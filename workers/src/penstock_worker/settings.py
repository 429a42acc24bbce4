"""What a worker is told by its environment; everything about the route itself comes from the catalogue."""

from typing import Annotated

from msgspec import Meta, Struct

from penstock_contract.settings import LogLevel


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """`namespace` and `route` name the ModelRoute that this worker serves."""

    namespace: str
    route: str
    nats_url: str = "nats://127.0.0.1:4222"
    log_level: LogLevel = "INFO"
    # Longer than the longest request: a worker that drains must not cut a stream.
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0
    # How long the frames of an ended stream stay for a gateway that missed its last ones.
    replay_kept_s: Annotated[float, Meta(ge=0, le=3_600)] = 30.0
    # Text of one stream that is kept for replay; a stream beyond it cannot be healed any more.
    replay_bytes_max: Annotated[int, Meta(ge=0)] = 4 * 1024 * 1024
