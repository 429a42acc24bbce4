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
from penstock_contract.route.pod.containers import ResourcesSpec, VariableName
from penstock_operator.kube.lease import LeaseTerms
from penstock_operator.nats.keys import KeysUnreadable, SigningKey, read_signing_key
from penstock_operator.routes.model_ownership import ClaimRule
from penstock_operator.routes.worker_variables import OWN_VARIABLES
from penstock_runtime.settings import InvalidSettings, LogLevel

Positive = Annotated[float, Meta(gt=0, le=86_400)]
SecretName = Annotated[str, Meta(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?\Z")]
"""A Secret's name, or empty."""
Count = Annotated[int, Meta(ge=1, le=1_000)]


class OperatorSettings(Struct, frozen=True, kw_only=True):
    """The operator's environment variables; docs/reference/settings.md is made from the fields."""

    namespaces: str
    """Comma-separated namespaces whose routes are served; each needs the chart's Role. `*`: all, with a ClusterRole."""
    namespace_selector: Annotated[str, Meta(max_length=4_096)] = ""
    """Label selector of further namespaces, such as `penstock.dev/serve=true`; needs the chart's ClusterRole. Empty:
    none."""
    worker_image: str
    """Image of a worker, unless its route sets another."""
    worker_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """Pull policy of that image. Not set: Kubernetes decides by the tag. A route's own policy wins."""
    worker_image_pull_secrets: str = ""
    """Comma-separated names of registry Secrets in the routes' namespaces, unless a route names its own."""
    # JSON: values contain commas and equals signs.
    worker_env: str = "{}"
    """Variables of every worker, a JSON object such as `{"OTEL_EXPORTER_OTLP_ENDPOINT": "…"}`; a route's `worker.env`
    wins."""
    worker_resources: str = "{}"
    """Resources of a worker, a JSON object such as `{"requests": {"cpu": "50m"}}`; a route's `worker.resources`
    replaces it."""
    # Not set on OpenShift, which assigns a user to each namespace.
    worker_run_as_user: Annotated[int, Meta(ge=1)] | None = None
    """User of every worker's pod. Not set: the cluster's choice, else the image's."""
    worker_run_as_group: Annotated[int, Meta(ge=0)] | None = None
    """Group of every worker's pod. Not set: the cluster's choice, else the image's."""
    model_claims: str = "[]"
    """Names that routes may claim, a JSON list such as `[{"namespaces": ["team-*"], "models": ["gpt-*"], "wildcard":
    false}]`; the first entry that covers a namespace counts. A namespace that none covers may claim every name."""
    nats_url: str = "nats://127.0.0.1:4222"
    """Address of NATS; several of one cluster with commas."""
    nats_monitor_urls: str = ""
    """Comma-separated monitoring addresses of the NATS servers, such as `http://nats-0.nats:8222`: the leader reads
    them for its metrics. Empty: none."""
    worker_nats_url: str | None = None
    """Address of NATS for workers' pods. Not set: `PENSTOCK_NATS_URL`."""
    nats_credentials: str | None = None
    """File with the operator's NATS credentials, read at every connect. Not set: none."""
    nats_signing_key: str | None = None
    """File `signing.json` of `penstock nats-keys`: each route's workers get their own credentials."""
    worker_nats_secret: SecretName = ""
    """Without a signing key: Secret in the route's namespace with `worker.creds` for all its workers."""
    worker_allowed_addresses: str = ""
    """`PENSTOCK_ALLOWED_ADDRESSES` of every worker; the chart's `crds.allowLocalAddresses` sets it to loopback."""
    log_level: LogLevel = "INFO"
    """The least severe lines that are logged."""
    identity: str | None = None
    """Lease holder and reporter of Events; in a cluster the pod's name. Not set: the host's name and random letters."""
    lease_namespace: str = "default"
    """Namespace of the Lease."""
    lease_name: str = "penstock-operator"
    """Name of the Lease; the Role names it."""
    # 15/10/2 as in client-go: a leader that cannot renew stops before another one may begin.
    lease_duration_s: Positive = 15.0
    """Time after which another operator takes over from a leader that does not renew."""
    lease_renew_deadline_s: Positive = 10.0
    """A leader that cannot renew for this time exits with code 3."""
    lease_retry_s: Positive = 2.0
    """Pause between two attempts to acquire or renew the Lease."""
    probe_host: str = "127.0.0.1"
    """Address of `/livez`, `/readyz` and `/metrics`; in a pod `0.0.0.0`."""
    probe_port: Annotated[int, Meta(ge=0, le=65_535)] = 8081
    """Port of the probes; 0 takes any free one."""
    jetstream_storage: Literal["memory", "file"] = "memory"
    """Storage of queues and catalogue: `memory` for one NATS server, `file` for a cluster of three."""
    jetstream_replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    """Replicas of each JetStream stream: 3 for a cluster of three."""
    queues_bytes_max: Annotated[int, Meta(ge=1_048_576)] | None = None
    """Bytes of the broker that the queues of all routes may reserve, in equal shares. Not set: no bound."""
    usage_bytes_max: Annotated[int, Meta(ge=1_048_576)] = ROWS_BYTES_MAX
    """Disk space reserved for usage records, of which the oldest are discarded first
    (docs/operations/usage.md#how-many-are-kept)."""
    usage_kept_days: Annotated[int, Meta(ge=1, le=36_500)] = ROWS_KEPT_DAYS
    """Maximum age of a usage record."""
    checkpoint_bytes_max: Annotated[int, Meta(ge=1_048_576)] = CHECKPOINTS_BYTES_MAX
    """Memory reserved in JetStream for the workers' checkpoints of open requests."""
    reconcile_concurrency: Count = 8
    """Routes that are reconciled at the same time."""
    # The API server ends each watch after two seconds less and sends a bookmark first, so a live watch is never silent.
    watch_silence_s: Annotated[float, Meta(ge=6, le=300)] = 8.0
    """A watch that is silent for this time is opened again."""
    resync_s: Annotated[float, Meta(ge=10, le=86_400)] = 600.0
    """Interval of complete lists, independent of the watches."""

    @property
    def installation(self) -> str:
        """Mark of the routes that this installation serves: see `reconcile.installation_conflict`."""
        return self.lease_namespace

    @property
    def namespace_list(self) -> list[str]:
        return _names(self.namespaces)

    @property
    def worker_image_pull_secret_list(self) -> list[str]:
        return _names(self.worker_image_pull_secrets)

    @property
    def nats_monitor_list(self) -> tuple[str, ...]:
        return tuple(_names(self.nats_monitor_urls))

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
            raise InvalidSettings(
                f"PENSTOCK_WORKER_RESOURCES is not a JSON object of requests and limits: {error}"
            ) from error

    @property
    def claim_rules(self) -> tuple[ClaimRule, ...]:
        """Raises `InvalidSettings`."""
        try:
            return msgspec.json.decode(self.model_claims, type=tuple[ClaimRule, ...])
        except msgspec.DecodeError as error:
            raise InvalidSettings(f"PENSTOCK_MODEL_CLAIMS is not a JSON list of rules: {error}") from error

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
        if "*" in self.namespace_list and (len(self.namespace_list) > 1 or self.namespace_selector):
            raise InvalidSettings(
                "PENSTOCK_NAMESPACES: `*` selects all namespaces, and stands alone without a selector"
            )
        _ = self.worker_environment, self.worker_resources_spec, self.claim_rules
        if self.signing_key is not None and self.worker_nats_secret:
            raise InvalidSettings("PENSTOCK_NATS_SIGNING_KEY and PENSTOCK_WORKER_NATS_SECRET are both set")


def _names(listed: str) -> list[str]:
    return [name for part in listed.split(",") if (name := part.strip())]
