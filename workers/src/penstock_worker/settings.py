"""What a worker is told by its environment; everything about the route itself comes from the catalogue."""

from typing import Annotated

from msgspec import Meta, Struct

from penstock_runtime.settings import InvalidSettings, LogLevel
from penstock_worker.upstream.address_policy import AddressRules


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """`namespace` and `route` name the ModelRoute that this worker serves."""

    namespace: str
    route: str
    # In a cluster the pod's name, so that the operator knows which pod a heartbeat is of; unset: one made up.
    worker_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,63}\Z")] | None = None
    # Where a kubelet asks for /livez and /readyz, and Prometheus for /metrics; unset: nowhere.
    probe_port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    probe_host: str = "0.0.0.0"  # noqa: S104 - a kubelet asks from outside the pod
    nats_url: str = "nats://127.0.0.1:4222"
    # A file with the NATS credentials of our route's workers, read at every connect; unset: none.
    nats_credentials: str | None = None
    # Where the Secrets with the providers' keys are mounted, as `<secret>/<key>`; unset: keys are in variables alone.
    keys_dir: str | None = None
    log_level: LogLevel = "INFO"
    # Longer than the longest request: a worker that drains must not cut a stream.
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0
    # How long the frames of an ended stream stay for a gateway that missed its last ones.
    replay_kept_s: Annotated[float, Meta(ge=0, le=3_600)] = 30.0
    # Of one stream that is kept for replay; of a longer one the end is.
    replay_bytes_max: Annotated[int, Meta(ge=0)] = 4 * 1024 * 1024
    # Networks, separated by commas, that providers may be in although they are this machine, its link or metadata.
    allowed_addresses: str = ""

    @property
    def address_rules(self) -> AddressRules:
        """Raises `InvalidSettings`."""
        try:
            return AddressRules.parse(self.allowed_addresses)
        except ValueError as error:
            raise InvalidSettings(f"PENSTOCK_ALLOWED_ADDRESSES: {error}") from error
