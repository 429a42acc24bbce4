"""A worker's environment variables. The route itself comes from the catalogue."""

from typing import Annotated

from msgspec import Meta, Struct

from penstock_runtime.settings import InvalidSettings, LogLevel
from penstock_worker.upstream.address_policy import AddressRules


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """The worker's environment variables; docs/reference/settings.md is made from the fields."""

    namespace: str
    """Namespace of the ModelRoute that this worker serves."""
    route: str
    """Name of the ModelRoute that this worker serves."""
    # The operator finds the pod of a heartbeat by this name.
    worker_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,63}\Z")] | None = None
    """Name in heartbeats; in a cluster the pod's name. Not set: the route's name and random letters."""
    probe_port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    """Port of `/livez`, `/readyz` and `/metrics`. Not set: they are not served."""
    probe_host: str = "0.0.0.0"  # noqa: S104 - a kubelet connects from outside the pod
    """Address of the probes."""
    nats_url: str = "nats://127.0.0.1:4222"
    """Address of NATS; several of one cluster with commas."""
    nats_credentials: str | None = None
    """File with the NATS credentials of the route's workers, read at every connect. Not set: none."""
    keys_dir: str | None = None
    """Directory of the providers' keys, as `<secret>/<key>`; changed files are read again. Not set: variables only."""
    log_level: LogLevel = "INFO"
    """The least severe lines that are logged."""
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0
    """Time for open streams to end after SIGTERM; longer than the longest request, so that none is cut."""
    replay_kept_s: Annotated[float, Meta(ge=0, le=3_600)] = 30.0
    """Time for which an ended stream's frames are kept for a gateway that missed the last ones."""
    replay_bytes_max: Annotated[int, Meta(ge=0)] = 4 * 1024 * 1024
    """Latest bytes of one stream that are kept for replay; if an older frame is missing, the stream ends with
    `stream_lost`."""
    kept_bytes_max: Annotated[int, Meta(ge=0)] = 4 * 1024 * 1024
    """Bytes of one answer that are stored for `spec.streams.keepSeconds`; a longer one cannot be read to its end."""
    allowed_addresses: str = ""
    """Comma-separated networks of providers that are allowed although loopback, link-local or metadata
    (docs/security.md)."""

    @property
    def address_rules(self) -> AddressRules:
        """Raises `InvalidSettings`."""
        try:
            return AddressRules.parse(self.allowed_addresses)
        except ValueError as error:
            raise InvalidSettings(f"PENSTOCK_ALLOWED_ADDRESSES: {error}") from error
