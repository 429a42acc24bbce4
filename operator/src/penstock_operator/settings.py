"""Settings of the operator, from environment variables. All configuration of routes comes from the API server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from penstock_broker.stores.usage_storage import (
    CHECKPOINTS_BYTES_MAX,
    ROWS_BYTES_MAX,
    ROWS_KEPT_DAYS,
    UsageBounds,
)
from penstock_contract.route.worker import ResourcesSpec, VariableName
from penstock_operator.kube.lease import LeaseTerms
from penstock_operator.nats.keys import KeysUnreadable, SigningKey, read_signing_key
from penstock_operator.routes.worker_variables import OWN_VARIABLES
from penstock_runtime.settings import InvalidSettings, LogLevel

Positive = Annotated[float, Meta(gt=0, le=86_400)]
SecretName = Annotated[str, Meta(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?\Z")]
"""A Secret's name, or empty."""
Count = Annotated[int, Meta(ge=1, le=1_000)]


class OperatorSettings(Struct, frozen=True, kw_only=True):
    # The namespaces whose routes are served, separated by commas; each needs the chart's Role.
    namespaces: str
    # Container image of workers whose route names none.
    worker_image: str
    # Pull policy of that image, and pull Secrets of the route's namespace, separated by commas; a route's own win.
    # Unset: Kubernetes decides by the tag.
    worker_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    worker_image_pull_secrets: str = ""
    # Environment variables of every worker (OTEL_*, for example), as a JSON object: values may contain commas and
    # equals signs.
    worker_env: str = "{}"
    # Resource requests and limits of workers whose route has none, as a JSON object like a container's in a Pod.
    worker_resources: str = "{}"
    # The user and group of every worker's pod; unset: the cluster assigns one (OpenShift), else the image's.
    worker_run_as_user: Annotated[int, Meta(ge=1)] | None = None
    worker_run_as_group: Annotated[int, Meta(ge=0)] | None = None
    nats_url: str = "nats://127.0.0.1:4222"
    # The broker's URL for workers; unset: the operator's.
    worker_nats_url: str | None = None
    # File with the operator's own NATS credentials, read at every connect; unset: none.
    nats_credentials: str | None = None
    # File of `penstock nats-keys` with the key that signs the NATS credentials of each route's workers. Unset: they use
    # the Secret named here, with `worker.creds`, in their namespace, or none.
    nats_signing_key: str | None = None
    worker_nats_secret: SecretName = ""
    # PENSTOCK_ALLOWED_ADDRESSES of every worker: loopback, where the CRD was relaxed to accept it.
    worker_allowed_addresses: str = ""
    log_level: LogLevel = "INFO"
    # Identity in the lease and in Events. In a cluster the pod's name; unset: the host name and random letters.
    identity: str | None = None
    lease_namespace: str = "default"
    lease_name: str = "penstock-operator"
    # 15/10/2 as in client-go: a crashed leader is replaced within the first (and a poll), and a leader that cannot
    # renew stops before another process may begin.
    lease_duration_s: Positive = 15.0
    lease_renew_deadline_s: Positive = 10.0
    lease_retry_s: Positive = 2.0
    # /livez, /readyz and /metrics.
    probe_host: str = "127.0.0.1"
    probe_port: Annotated[int, Meta(ge=0, le=65_535)] = 8081
    # JetStream storage and replicas: memory and 1 suit one server, file and 3 a cluster of three.
    jetstream_storage: Literal["memory", "file"] = "memory"
    jetstream_replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    # Bounds of usage records: JetStream reserves the bytes on disk, and discards the oldest records when they are full.
    usage_bytes_max: Annotated[int, Meta(ge=1_048_576)] = ROWS_BYTES_MAX
    usage_kept_days: Annotated[int, Meta(ge=1, le=36_500)] = ROWS_KEPT_DAYS
    # Bound of the workers' checkpoints of open requests, in JetStream's memory.
    checkpoint_bytes_max: Annotated[int, Meta(ge=1_048_576)] = CHECKPOINTS_BYTES_MAX
    # Number of concurrent reconcile passes.
    reconcile_concurrency: Count = 8
    # A watch that is silent for this long is opened again. The server ends each watch two seconds earlier, and sends a
    # bookmark before: a healthy watch is never silent that long.
    watch_silence_s: Annotated[float, Meta(ge=6, le=300)] = 8.0
    # Interval of whole lists, regardless of the watches.
    resync_s: Annotated[float, Meta(ge=10, le=86_400)] = 600.0

    @property
    def namespace_list(self) -> list[str]:
        return _names(self.namespaces)

    @property
    def worker_image_pull_secret_list(self) -> list[str]:
        return _names(self.worker_image_pull_secrets)

    @property
    def usage_bounds(self) -> UsageBounds:
        return UsageBounds(
            rows_bytes_max=self.usage_bytes_max,
            rows_kept_days=self.usage_kept_days,
            checkpoints_bytes_max=self.checkpoint_bytes_max,
        )

    @property
    def lease(self) -> LeaseTerms:
        return LeaseTerms(
            namespace=self.lease_namespace,
            name=self.lease_name,
            duration_s=self.lease_duration_s,
            renew_deadline_s=self.lease_renew_deadline_s,
            retry_s=self.lease_retry_s,
        )

    @property
    def worker_environment(self) -> Mapping[str, str]:
        """Raises `InvalidSettings`."""
        try:
            environment = msgspec.json.decode(self.worker_env, type=dict[VariableName, str])
        except msgspec.DecodeError as error:
            raise InvalidSettings(f"PENSTOCK_WORKER_ENV is not a JSON object of strings: {error}") from error
        if clashes := sorted(OWN_VARIABLES & environment.keys()):
            raise InvalidSettings(f"PENSTOCK_WORKER_ENV must not set {', '.join(clashes)}, which the operator sets")
        return environment

    @property
    def worker_resources_spec(self) -> ResourcesSpec:
        """Raises `InvalidSettings`."""
        try:
            return msgspec.json.decode(self.worker_resources, type=ResourcesSpec)
        except msgspec.DecodeError as error:
            raise InvalidSettings(f"PENSTOCK_WORKER_RESOURCES is not a JSON object of requests and limits: {error}") from error

    @property
    def signing_key(self) -> SigningKey | None:
        """Raises `InvalidSettings`."""
        if self.nats_signing_key is None:
            return None
        try:
            return read_signing_key(Path(self.nats_signing_key).read_bytes())
        except (OSError, KeysUnreadable) as error:
            raise InvalidSettings(f"PENSTOCK_NATS_SIGNING_KEY: {error}") from error

    def check(self) -> None:
        """Checks what the types of the fields cannot express. Raises `InvalidSettings`."""
        if not self.namespace_list:
            raise InvalidSettings("PENSTOCK_NAMESPACES names no namespace")
        _ = self.worker_environment, self.worker_resources_spec
        if self.signing_key is not None and self.worker_nats_secret:
            raise InvalidSettings("PENSTOCK_NATS_SIGNING_KEY and PENSTOCK_WORKER_NATS_SECRET are both set")


def _names(listed: str) -> list[str]:
    return [name for part in listed.split(",") if (name := part.strip())]
