"""The ModelRoute resource: one spec for the cluster and the laptop, with its bounds in the types.

Field names are the resource's camelCase. `kubectl explain` and docs/reference/modelroute.md show each description;
`crd` makes the schema of it all. Rules that cross fields are in `rules`; nothing here reads a file or a secret.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from penstock_contract.route.additions import (
    ADDITIONS_MAX,
    FIELDS_MAX,
    FieldName,
    FieldSpec,
    HeaderSpec,
    QueryParameterSpec,
)
from penstock_contract.route.secret_ref import SecretKeyRef
from penstock_contract.route.worker import BY_NAME, WorkerSpec
from penstock_contract.usage.money import FREE, PerMillion, Rates, per_million

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
WholeSeconds = Annotated[int, Meta(ge=1, le=86_400)]
Replicas = Annotated[int, Meta(ge=0, le=1000)]
# `\Z`, as Python's `$` also matches before a line end; `crd` writes `$`, as RE2 has no `\Z` and its `$` is one.
_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z"
# What we name has room for what is appended to it: a Deployment's pods are called <route>-worker-<hash>-<hash>.
DnsLabel = Annotated[str, Meta(pattern=_DNS_LABEL, max_length=40)]
NamespaceName = Annotated[str, Meta(pattern=_DNS_LABEL, max_length=63)]
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\])"
_PORT = r"([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
# A name reaches terminals and logs: no C0 or C1 control character, which a terminal could take for a command.
PrintableName = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z")]
Url = Annotated[str, Meta(pattern=rf"^https?://{_HOST}(:{_PORT})?(/[^\s?#]*)?\Z", max_length=2048)]

ApiVersion = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?\Z", max_length=18)]


class _Camel(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    pass


class ModelSpec(_Camel, frozen=True, kw_only=True):
    """A name that clients ask for. `*` stands for every name that no other route claims."""

    name: Annotated[
        PrintableName, Meta(description="The model's name; `*` stands for every name that no other route claims.")
    ]
    aliases: Annotated[
        list[PrintableName],
        Meta(
            max_length=8,  # 10 with 64 models of 256 characters is what the API server's budget for a rule allows
            extra_json_schema={"x-kubernetes-list-type": "set"},
            description="Other names of the model. Providers receive `name`, even if the client used an alias.",
        ),
    ] = []
    type: Annotated[Literal["Chat", "Embedding"], Meta(description="Endpoints that serve it.")] = "Chat"


class SimulatedSpec(_Camel, frozen=True, kw_only=True):
    """A provider that makes up deterministic text at a set pace; for tests and benchmarks."""

    tokens: Annotated[int, Meta(ge=1, le=1_000_000, description="Length of an answer in tokens.")] = 32
    tokens_per_second: Annotated[float, Meta(gt=0, le=1_000_000, description="Pace of an answer.")] = 50.0
    first_token_seconds: Annotated[float, Meta(ge=0, le=3600, description="Time to the first token.")] = 0.0
    error_at_token: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Fail after this many tokens; 0 fails before the first."),
    ] = None
    stall_at_token: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Send nothing more after this many tokens.")
    ] = None


class PricesSpec(_Camel, frozen=True, kw_only=True):
    """What the provider takes for a million tokens, as decimal text; what is not set costs nothing.

    `cachedInputPerMillion` and `cacheWriteInputPerMillion` default to the price of input.
    """

    input_per_million: Annotated[PerMillion, Meta(description="Price of a million input tokens.")] = "0"
    cached_input_per_million: Annotated[
        PerMillion | None,
        Meta(description="Price of a million input tokens read from the provider's cache. Not set: as input."),
    ] = None
    cache_write_input_per_million: Annotated[
        PerMillion | None,
        Meta(description="Price of a million input tokens written to the provider's cache. Not set: as input."),
    ] = None
    output_per_million: Annotated[PerMillion, Meta(description="Price of a million output tokens.")] = "0"

    @property
    def rates(self) -> Rates:
        input_ = per_million(self.input_per_million)
        cached, written = self.cached_input_per_million, self.cache_write_input_per_million
        return Rates(
            input_,
            input_ if cached is None else per_million(cached),
            per_million(self.output_per_million),
            input_ if written is None else per_million(written),
        )


HeaderName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*\Z", max_length=64)]


KEY_HEADERS: Final = {"Anthropic": "x-api-key", "AzureOpenAI": "api-key"}
"""By provider type, where it is not `authorization`."""


class ExtraFieldsSpec(_Camel, frozen=True, kw_only=True):
    """What becomes of fields of a client's request that are not known."""

    mode: Annotated[
        Literal["Pass", "Drop", "Refuse"],
        Meta(
            description="`Pass`: unchanged (`Anthropic` refuses them). `Drop`: left out and named in"
            " `x-penstock-ignored`. `Refuse`: a 400. Fields that choose another model, address or"
            " account are always refused."
        ),
    ] = "Pass"
    allow: Annotated[
        list[FieldName],
        Meta(
            max_length=64,
            extra_json_schema={"x-kubernetes-list-type": "set"},
            description="Fields that are passed unchanged in every mode, including fields that choose a model.",
        ),
    ] = []


class ProviderSpec(_Camel, frozen=True, kw_only=True):
    """Where a route's requests go. A lower `priority` number is tried first; `weight` shares within a priority.

    `models`, then `model`, is the provider's own name of a model; without either it is the one that was asked for.
    """

    name: Annotated[DnsLabel, Meta(description="Unique in the route; errors, metrics and traces name it.")]
    type: Annotated[
        Literal["OpenAI", "Anthropic", "AzureOpenAI", "CloudflareWorkersAI", "Simulated"],
        Meta(
            description="API of the provider. `OpenAI`: every compatible server. `AzureOpenAI` and"
            " `CloudflareWorkersAI` need a `baseURL`. `Simulated`: generated text, for tests. See"
            " docs/reference/providers.md."
        ),
    ]
    base_url: Annotated[
        Url | None,
        Meta(
            description="Address up to and with the version. Not set: `https://api.openai.com/v1` or"
            " `https://api.anthropic.com/v1`. `AzureOpenAI`:"
            " `https://<resource>.openai.azure.com/openai/v1`, without `/v1` if `apiVersion` is"
            " set. `CloudflareWorkersAI`:"
            " `https://api.cloudflare.com/client/v4/accounts/<account>/ai`."
        ),
    ] = field(default=None, name="baseURL")
    api_version: Annotated[
        ApiVersion | None,
        Meta(description="`AzureOpenAI`: the dated API, with the deployment in its path. Not set: the v1 API."),
    ] = None
    allow_http: Annotated[
        bool,
        Meta(
            description="Allow a `baseURL` without TLS, as for a Service of the same cluster: prompts and keys"
            " are sent unencrypted."
        ),
    ] = field(default=False, name="allowHTTP")
    model: Annotated[
        PrintableName | None,
        Meta(
            description="The provider's name of the model, for all models of the route. Not set: the name in"
            " `spec.models`; with `*` the requested name."
        ),
    ] = None
    models: Annotated[
        dict[str, PrintableName],
        Meta(
            max_length=64,
            description="The provider's names by the names in `spec.models` (with `*`: by the requested"
            " names); takes precedence over `model`.",
        ),
    ] = {}
    first_token_timeout_seconds: Annotated[
        Seconds | None,
        Meta(
            description="Replaces `spec.limits.firstTokenTimeoutSeconds` for this provider; a reasoning model"
            " may need minutes for its first token."
        ),
    ] = None
    secret_key_ref: Annotated[
        SecretKeyRef | None, Meta(description="Reference to the provider's key. Not set: none is sent.")
    ] = None
    key_header: Annotated[
        HeaderName | None,
        Meta(
            description="Header of the key; in `authorization` it is a Bearer token. Not set: `authorization`;"
            " `Anthropic`: `x-api-key`; `AzureOpenAI`: `api-key`."
        ),
    ] = None
    headers: Annotated[
        list[HeaderSpec],
        Meta(
            max_length=ADDITIONS_MAX,
            extra_json_schema=BY_NAME,
            description="Further headers of each request. A credential comes by `valueFrom`.",
        ),
    ] = []
    query: Annotated[
        list[QueryParameterSpec],
        Meta(
            max_length=ADDITIONS_MAX,
            extra_json_schema=BY_NAME,
            description="Query parameters of each request. A credential comes by `valueFrom`.",
        ),
    ] = []
    anthropic_version: Annotated[
        Literal["2023-06-01", "2026-10-21"],
        Meta(
            description="`Anthropic`: version of the API. From `2026-10-21` on, a `temperature`, `top_p` or"
            " `top_k` other than the default is refused."
        ),
    ] = "2023-06-01"
    default_max_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="`Anthropic`, which requires a bound of tokens: the bound of a request without one.",
        ),
    ] = 4096
    max_tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"] | None,
        Meta(
            description="`OpenAI`: the only name of the token bound that the provider accepts. Not set: the client's."
        ),
    ] = None
    extra_fields: Annotated[ExtraFieldsSpec, Meta(description="Treatment of unknown fields of a request.")] = (
        ExtraFieldsSpec()
    )
    drop: Annotated[
        list[FieldName],
        Meta(
            max_length=64,
            extra_json_schema={"x-kubernetes-list-type": "set"},
            description="Fields that are left out for this provider; `x-penstock-ignored` names them.",
        ),
    ] = []
    set_fields: Annotated[
        list[FieldSpec],
        Meta(
            max_length=FIELDS_MAX,
            extra_json_schema=BY_NAME,
            description="Fields that are added if the client sent none. A field that is also in `drop`"
            " replaces the client's.",
        ),
    ] = field(default_factory=list, name="set")
    weight: Annotated[
        int,
        Meta(ge=0, le=1000, description="Share of the load within a priority; 0: never used."),
    ] = 1
    priority: Annotated[int, Meta(ge=0, le=100, description="The lowest is tried first.")] = 0
    max_in_flight: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None,
        Meta(
            description="Concurrent calls per worker; further requests wait until their deadline. Not set:"
            " bounded by the worker's slots."
        ),
    ] = None
    simulated: Annotated[SimulatedSpec | None, Meta(description="`Simulated` only: the generated answers.")] = None
    prices: Annotated[PricesSpec | None, Meta(description="Prices of the provider. Not set: no cost.")] = None

    @property
    def rates(self) -> Rates:
        return FREE if self.prices is None else self.prices.rates

    @property
    def secret_refs(self) -> Iterator[SecretKeyRef]:
        """All secrets that it is called with: the key first, then those of headers and query."""
        if self.secret_key_ref is not None:
            yield self.secret_key_ref
        for sources in ([one.value_from for one in self.headers], [one.value_from for one in self.query]):
            yield from (source.secret_key_ref for source in sources if source is not None)

    @property
    def header_of_key(self) -> str:
        """The header that carries the key, in lower case."""
        return self.key_header or KEY_HEADERS.get(self.type, "authorization")

    def own_name(self, model: str) -> str:
        """What the provider calls a model."""
        return self.models.get(model) or self.model or model


class RoutingSpec(_Camel, frozen=True, kw_only=True):
    """`retries` counts further tries of each provider, after all others were tried, all before the first event."""

    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="Further tries of each provider for one request, after all others were tried and"
            " before the first event.",
        ),
    ] = 2


class LimitsSpec(_Camel, frozen=True, kw_only=True):
    """Queue depth in requests, times in seconds. The idle timeout runs between two pieces of one answer."""

    queue_depth: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Requests of the route without a first event; one more is a 429 `queue_full`.",
        ),
    ] = 256
    queue_timeout_seconds: Annotated[
        Seconds, Meta(description="Time for a worker to take the request, else 503 `queue_timeout`.")
    ] = 30.0
    connect_timeout_seconds: Annotated[
        Seconds,
        Meta(description="Time for a connection to the provider, TLS included, else `provider_unavailable`."),
    ] = 5.0
    first_token_timeout_seconds: Annotated[
        Seconds,
        Meta(description="Time for the first event of one call, connecting included, else `first_token_timeout`."),
    ] = 30.0
    idle_timeout_seconds: Annotated[
        Seconds, Meta(description="Time between two pieces of one answer, else `idle_timeout`.")
    ] = 60.0
    request_timeout_seconds: Annotated[
        Seconds,
        Meta(description="Time for the whole request: queue, all tries and the answer, else `request_timeout`."),
    ] = 600.0
    requests_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | None,
        Meta(description="Requests of all keys accepted in a minute, over all gateways; not set: no limit."),
    ] = None
    tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | None,
        Meta(description="Tokens of all keys in a minute, input and output; not set: no limit."),
    ] = None
    concurrent_streams: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Requests of all keys that are open at the same time; not set: no limit."),
    ] = None


class FallbackSpec(_Camel, frozen=True, kw_only=True):
    """What to do while the load cannot be measured: an error is never taken for zero."""

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


class ScalingSpec(_Camel, frozen=True, kw_only=True):
    """How many workers serve the route. `concurrencyPerReplica` is a worker's slots; all else counts in a cluster."""

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


class ModelRouteSpec(_Camel, frozen=True, kw_only=True):
    models: Annotated[
        list[ModelSpec],
        Meta(min_length=1, max_length=64, extra_json_schema=BY_NAME, description="Models that clients may request."),
    ]
    providers: Annotated[
        list[ProviderSpec],
        Meta(min_length=1, max_length=16, extra_json_schema=BY_NAME, description="Providers of the models."),
    ]
    routing: Annotated[RoutingSpec, Meta(description="Order and retries of a request's providers.")] = RoutingSpec()
    limits: Annotated[LimitsSpec, Meta(description="Bounds of the queue, of timeouts and of the route's use.")] = (
        LimitsSpec()
    )
    scaling: Annotated[ScalingSpec, Meta(description="Number of workers and its bounds.")] = ScalingSpec()
    worker: Annotated[WorkerSpec, Meta(description="Settings of the workers' pods; ignored on a laptop.")] = (
        WorkerSpec()
    )
    error_messages: Annotated[
        Literal["Show", "Hide"],
        Meta(
            description="`Show`: a client gets the provider's own message of a refused request, without"
            " credentials and addresses. `Hide`: a constant message."
        ),
    ] = "Show"
    error_messages_in_log: Annotated[
        bool,
        Meta(
            description="Write the provider's message into the worker's log, as a client would get it. It may"
            " quote the prompt."
        ),
    ] = False


class ObjectMeta(Struct, frozen=True):
    """The part of Kubernetes' metadata that matters outside a cluster; the rest is accepted and ignored."""

    name: Annotated[DnsLabel, Meta(description="The route's name; its Deployment is called `<name>-worker`.")]
    namespace: Annotated[NamespaceName, Meta(description="With the name, the route's identity.")] = "default"


class ModelRoute(Struct, frozen=True, rename="camel"):
    api_version: Annotated[Literal["penstock.dev/v1alpha1"], Meta(description="The version of these fields.")]
    kind: Annotated[Literal["ModelRoute"], Meta(description="Kind of the resource.")]
    metadata: ObjectMeta
    spec: ModelRouteSpec
