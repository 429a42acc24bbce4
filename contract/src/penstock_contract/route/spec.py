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
            description="Other names for it. A provider is asked for `name`, also if the client used an alias.",
        ),
    ] = []
    type: Annotated[Literal["Chat", "Embedding"], Meta(description="Which endpoints serve it.")] = "Chat"


class SimulatedSpec(_Camel, frozen=True, kw_only=True):
    """A provider that makes up deterministic text at a set pace; for tests and benchmarks."""

    tokens: Annotated[int, Meta(ge=1, le=1_000_000, description="Length of an answer.")] = 32
    tokens_per_second: Annotated[float, Meta(gt=0, le=1_000_000, description="Its pace.")] = 50.0
    first_token_seconds: Annotated[float, Meta(ge=0, le=3600, description="Time to the first token.")] = 0.0
    error_at_token: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Fail after this many tokens; 0 fails before the first."),
    ] = None
    stall_at_token: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Say nothing more after this many tokens.")
    ] = None


class PricesSpec(_Camel, frozen=True, kw_only=True):
    """What the provider takes for a million tokens, as decimal text; what is not set costs nothing.

    `cachedInputPerMillion` and `cacheWriteInputPerMillion` default to the price of input.
    """

    input_per_million: Annotated[PerMillion, Meta(description="For a million input tokens.")] = "0"
    cached_input_per_million: Annotated[
        PerMillion | None,
        Meta(description="For a million input tokens that the provider had in its cache; not set: as input."),
    ] = None
    cache_write_input_per_million: Annotated[
        PerMillion | None,
        Meta(description="For a million input tokens that the provider wrote to its cache; not set: as input."),
    ] = None
    output_per_million: Annotated[PerMillion, Meta(description="For a million output tokens.")] = "0"

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
            description="`Pass` sends them on as they came (an Anthropic provider refuses them), `Drop` leaves them"
            " out and names them in `x-penstock-ignored`, `Refuse` answers with a 400. Fields that choose another"
            " model, address or account are refused in each mode."
        ),
    ] = "Pass"
    allow: Annotated[
        list[FieldName],
        Meta(
            max_length=64,
            extra_json_schema={"x-kubernetes-list-type": "set"},
            description="Fields that are sent on as they came whatever `mode` says, also those that choose a model.",
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
            description="The API it has. `OpenAI` fits every compatible server; `Anthropic` has no embeddings;"
            " `AzureOpenAI` and `CloudflareWorkersAI` need a `baseURL`; `Simulated` makes up text, for tests."
            " docs/reference/providers.md has what each takes."
        ),
    ]
    base_url: Annotated[
        Url | None,
        Meta(
            description="Up to and with the version: `/chat/completions`, `/embeddings` or `/messages` is appended."
            " Without user, query or fragment. Not set: `https://api.openai.com/v1` or `https://api.anthropic.com/v1`."
            " `AzureOpenAI`: `https://<resource>.openai.azure.com/openai/v1`, without `/v1` if `apiVersion` is set."
            " `CloudflareWorkersAI`: `https://api.cloudflare.com/client/v4/accounts/<account>/ai`."
        ),
    ] = field(default=None, name="baseURL")
    api_version: Annotated[
        ApiVersion | None,
        Meta(description="For `AzureOpenAI`: the dated API, with the deployment in its path. Not set: the v1 API."),
    ] = None
    allow_http: Annotated[
        bool,
        Meta(
            description="Allow a `baseURL` without TLS, as for a Service of the same cluster: prompts and keys travel"
            " in the clear."
        ),
    ] = field(default=False, name="allowHTTP")
    model: Annotated[
        PrintableName | None,
        Meta(
            description="The provider's own name of the model, for all models of the route. Not set: the name in"
            " `spec.models`; with `*` the one that the client asked for."
        ),
    ] = None
    models: Annotated[
        dict[str, PrintableName],
        Meta(
            max_length=64,
            description="The provider's own names by the names in `spec.models` (or, with `*`, those that clients ask"
            " for); goes before `model`.",
        ),
    ] = {}
    first_token_timeout_seconds: Annotated[
        Seconds | None,
        Meta(
            description="In place of `spec.limits.firstTokenTimeoutSeconds` for this provider; a reasoning model may"
            " be silent for minutes before its first token."
        ),
    ] = None
    secret_key_ref: Annotated[
        SecretKeyRef | None, Meta(description="The key to call it with. Not set: none is sent.")
    ] = None
    key_header: Annotated[
        HeaderName | None,
        Meta(
            description="The header that carries the key; in `authorization` it is a Bearer token. Not set:"
            " `authorization`, with `type: Anthropic` `x-api-key`. Azure's is `api-key`."
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
            description="For `type: Anthropic`: the API's version. From `2026-10-21` on it has no `temperature`,"
            " `top_p` and `top_k`; a request with another value than the default is refused then."
        ),
    ] = "2023-06-01"
    default_max_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="For `type: Anthropic`, which requires a bound: the bound of a request that has none.",
        ),
    ] = 4096
    max_tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"] | None,
        Meta(
            description="For `type: OpenAI`: the only name of the bound that the provider takes. Not set: the name"
            " that the client used."
        ),
    ] = None
    extra_fields: Annotated[ExtraFieldsSpec, Meta(description="Fields of a request that are not known.")] = (
        ExtraFieldsSpec()
    )
    drop: Annotated[
        list[FieldName],
        Meta(
            max_length=64,
            extra_json_schema={"x-kubernetes-list-type": "set"},
            description="Fields of a request that are left out for this provider; `x-penstock-ignored` names them.",
        ),
    ] = []
    set_fields: Annotated[
        list[FieldSpec],
        Meta(
            max_length=FIELDS_MAX,
            extra_json_schema=BY_NAME,
            description="Fields of the provider's request that are added where the client sent none. A field that is"
            " in `drop` too replaces the client's.",
        ),
    ] = field(default_factory=list, name="set")
    weight: Annotated[
        int,
        Meta(ge=0, le=1000, description="The share of the load within a priority; with 0 it is never asked."),
    ] = 1
    priority: Annotated[int, Meta(ge=0, le=100, description="The lowest is tried first.")] = 0
    max_in_flight: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None,
        Meta(
            description="Calls at the same time, per worker; a request waits for a free place until its deadline."
            " Not set: no bound but the worker's slots."
        ),
    ] = None
    simulated: Annotated[SimulatedSpec | None, Meta(description="For `type: Simulated` only.")] = None
    prices: Annotated[PricesSpec | None, Meta(description="What it costs; not set: nothing.")] = None

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
            description="How often each provider may be tried again for one request, after all others were tried and"
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
            description="Requests of the route without a first event yet; one more is a 429 `queue_full`.",
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
        Meta(description="Their tokens in a minute, input and output; not set: no limit."),
    ] = None
    concurrent_streams: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Requests of all keys that are open at the same time; not set: no limit."),
    ] = None


class FallbackSpec(_Camel, frozen=True, kw_only=True):
    """What to do while the load cannot be measured: an error is never taken for zero."""

    after_seconds: Annotated[
        WholeSeconds,
        Meta(description="How long the load must be unknown. Until then the number of workers is held."),
    ] = 60
    behavior: Annotated[
        Literal["Hold", "Static", "HoldIfHigher"],
        Meta(
            description="`Hold` keeps the number of workers, `Static` goes to `replicas`, `HoldIfHigher` goes to"
            " `replicas` but never below what there is."
        ),
    ] = "Hold"
    replicas: Annotated[Replicas, Meta(description="For `Static` and `HoldIfHigher`.")] = 1


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
        Meta(description="The number of workers with `mode: Manual`; what `kubectl scale` reads and writes."),
    ] = 1
    min_replicas: Annotated[
        Replicas,
        Meta(description="The fewest workers with `mode: Auto`; with 0 there are none while there is nothing to do."),
    ] = 0
    max_replicas: Annotated[int, Meta(ge=1, le=1000, description="The most workers with `mode: Auto`.")] = 10
    concurrency_per_replica: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Slots of one worker: requests that it serves at the same time."),
    ] = 64
    target_utilization_percent: Annotated[
        int,
        Meta(ge=10, le=100, description="How full the slots should be; less keeps some free for a burst."),
    ] = 100
    stable_window_seconds: Annotated[
        int,
        Meta(
            ge=2,
            le=3600,
            description="How long fewer workers must have been enough before any goes.",
        ),
    ] = 60
    panic_window_seconds: Annotated[
        int, Meta(ge=1, le=600, description="The load is averaged over this long to tell a burst.")
    ] = 6
    panic_threshold_percent: Annotated[
        int,
        Meta(
            ge=110,
            le=1000,
            description="A burst is when the load of the panic window needs this much of the ready workers; none goes"
            " for `stableWindowSeconds` after it.",
        ),
    ] = 200
    scale_to_zero_after_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400,
            description="How long there must be nothing to do before the last worker goes, with `minReplicas: 0`.",
        ),
    ] = 300
    paused: Annotated[
        Literal["None", "ScaleIn", "ScaleOut", "All"],
        Meta(description="Which changes of the number of workers are held back, until it is `None` again."),
    ] = "None"
    fallback: Annotated[FallbackSpec, Meta(description="What to do while the load cannot be measured.")] = (
        FallbackSpec()
    )


class ModelRouteSpec(_Camel, frozen=True, kw_only=True):
    models: Annotated[
        list[ModelSpec],
        Meta(min_length=1, max_length=64, extra_json_schema=BY_NAME, description="What clients may ask for."),
    ]
    providers: Annotated[
        list[ProviderSpec],
        Meta(min_length=1, max_length=16, extra_json_schema=BY_NAME, description="Who answers."),
    ]
    routing: Annotated[RoutingSpec, Meta(description="How one request goes through the providers.")] = RoutingSpec()
    limits: Annotated[LimitsSpec, Meta(description="Bounds of the queue and of each request's times.")] = LimitsSpec()
    scaling: Annotated[ScalingSpec, Meta(description="How many workers serve the route.")] = ScalingSpec()
    worker: Annotated[
        WorkerSpec, Meta(description="The settings of the worker's pods; a laptop has none and ignores them.")
    ] = WorkerSpec()
    error_messages: Annotated[
        Literal["Show", "Hide"],
        Meta(
            description="Whether a caller gets the provider's own message when the provider refuses the request:"
            " without credentials, hosts and addresses, at most 1000 characters. `Hide` gives the code and a constant"
            " message."
        ),
    ] = "Show"
    error_messages_in_log: Annotated[
        bool,
        Meta(
            description="Whether the worker's log has the provider's message, as a caller would get it. It may quote"
            " the prompt."
        ),
    ] = False


class ObjectMeta(Struct, frozen=True):
    """The part of Kubernetes' metadata that matters outside a cluster; the rest is accepted and ignored."""

    name: Annotated[DnsLabel, Meta(description="The route's name; its Deployment is called `<name>-worker`.")]
    namespace: Annotated[NamespaceName, Meta(description="With the name, the route's identity.")] = "default"


class ModelRoute(Struct, frozen=True, rename="camel"):
    api_version: Annotated[Literal["penstock.dev/v1alpha1"], Meta(description="The version of these fields.")]
    kind: Annotated[Literal["ModelRoute"], Meta(description="What this is.")]
    metadata: ObjectMeta
    spec: ModelRouteSpec
