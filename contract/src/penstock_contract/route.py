"""The ModelRoute resource: one spec for the cluster and the laptop, with its bounds in the types.

Field names are the resource's camelCase. Rules that cross fields are in `rules`; nothing here reads a file or a secret.
"""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from penstock_contract.requests import ModelName

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
DnsLabel = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
_PORT = r"([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
Url = Annotated[str, Meta(pattern=rf"^https?://{_HOST}(:{_PORT})?(/[^\s?#]*)?$", max_length=2048)]


class _Camel(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    pass


class ModelSpec(_Camel, frozen=True, kw_only=True):
    """A name that clients ask for. `*` stands for every name that no other route claims."""

    name: ModelName
    aliases: Annotated[list[ModelName], Meta(max_length=32)] = []
    type: Literal["Chat", "Embedding"] = "Chat"


class SecretKeyRef(_Camel, frozen=True, kw_only=True):
    """A key of a Secret in the route's own namespace; on a laptop an environment variable, see `secret_variable`."""

    name: Annotated[str, Meta(min_length=1, max_length=253)]
    key: Annotated[str, Meta(min_length=1, max_length=253)]


class SimulatedSpec(_Camel, frozen=True, kw_only=True):
    """A provider that makes up deterministic text at a set pace; for tests and benchmarks."""

    tokens: Annotated[int, Meta(ge=1, le=1_000_000)] = 32
    tokens_per_second: Annotated[float, Meta(gt=0, le=1_000_000)] = 50.0
    first_token_seconds: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    error_at_token: Annotated[int, Meta(ge=0)] | None = None
    stall_at_token: Annotated[int, Meta(ge=0)] | None = None


class ProviderSpec(_Camel, frozen=True, kw_only=True):
    """Where a route's requests go. A lower `priority` number is tried first; `weight` shares within a priority.

    `model` is the provider's own name of the model and defaults to the one that the client asked for.
    """

    name: DnsLabel
    type: Literal["OpenAI", "Anthropic", "Simulated"]
    base_url: Url | None = field(default=None, name="baseURL")
    model: ModelName | None = None
    secret_key_ref: SecretKeyRef | None = None
    weight: Annotated[int, Meta(ge=0, le=1000)] = 1
    priority: Annotated[int, Meta(ge=0, le=100)] = 0
    max_in_flight: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    simulated: SimulatedSpec | None = None


class RoutingSpec(_Camel, frozen=True, kw_only=True):
    """`retries` counts further tries of each provider, after all others were tried, all before the first event."""

    retries: Annotated[int, Meta(ge=0, le=10)] = 2


class LimitsSpec(_Camel, frozen=True, kw_only=True):
    """Queue depth in requests, times in seconds. The idle timeout runs between two pieces of one answer."""

    queue_depth: Annotated[int, Meta(ge=1, le=1_000_000)] = 256
    queue_timeout_seconds: Seconds = 30.0
    connect_timeout_seconds: Seconds = 5.0
    first_token_timeout_seconds: Seconds = 30.0
    idle_timeout_seconds: Seconds = 60.0
    request_timeout_seconds: Seconds = 600.0


class ScalingSpec(_Camel, frozen=True, kw_only=True):
    """`concurrencyPerReplica` is a worker's number of slots: requests that it serves at the same time."""

    concurrency_per_replica: Annotated[int, Meta(ge=1, le=10_000)] = 64


class ModelRouteSpec(_Camel, frozen=True, kw_only=True):
    models: Annotated[list[ModelSpec], Meta(min_length=1, max_length=64)]
    providers: Annotated[list[ProviderSpec], Meta(min_length=1, max_length=16)]
    routing: RoutingSpec = RoutingSpec()
    limits: LimitsSpec = LimitsSpec()
    scaling: ScalingSpec = ScalingSpec()


class ObjectMeta(Struct, frozen=True):
    """The part of Kubernetes' metadata that matters outside a cluster; the rest is accepted and ignored."""

    name: DnsLabel
    namespace: DnsLabel = "default"


class ModelRoute(Struct, frozen=True, rename="camel"):
    api_version: Literal["penstock.dev/v1alpha1"]
    kind: Literal["ModelRoute"]
    metadata: ObjectMeta
    spec: ModelRouteSpec


def secret_variable(ref: SecretKeyRef) -> str:
    """Environment variable that holds a secret: `{name: openai, key: api-key}` is `OPENAI_API_KEY`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{ref.name}_{ref.key}").upper()
