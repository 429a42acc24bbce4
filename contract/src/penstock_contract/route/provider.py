"""A provider of a ModelRoute: its API, address, key, names of models, and what its requests are given or not."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, field

from penstock_contract.route.pod.containers import BY_NAME
from penstock_contract.route.prices import PricesSpec
from penstock_contract.route.request_additions import (
    ADDITIONS_MAX,
    FIELDS_MAX,
    FieldName,
    FieldSpec,
    HeaderSpec,
    QueryParameterSpec,
)
from penstock_contract.route.values import (
    ApiVersion,
    DnsLabel,
    HeaderName,
    PrintableName,
    ProxyUrl,
    RouteStruct,
    Seconds,
    SecretKeyRef,
    Url,
)
from penstock_contract.usage.money import FREE, Rates

KEY_HEADERS: Final = {"Anthropic": "x-api-key", "AzureOpenAI": "api-key"}
"""By provider type, where it is not `authorization`."""


class SimulatedSpec(RouteStruct, frozen=True, kw_only=True):
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


class ExtraFieldsSpec(RouteStruct, frozen=True, kw_only=True):
    """The treatment of unknown fields of a client's request."""

    mode: Annotated[
        Literal["Pass", "Drop", "Refuse"],
        Meta(
            description="`Pass`: unchanged, or refused where the request is translated. `Drop`: left out and named in"
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


class ProviderSpec(RouteStruct, frozen=True, kw_only=True):
    """Where a route's requests go. A lower `priority` number is tried first; `weight` shares within a priority.

    `models`, then `model`, is the provider's own name of a model; without either it is the request's.
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
    proxy: Annotated[
        ProxyUrl | None,
        Meta(
            description="HTTP proxy through which the provider is reached. Not set: `HTTPS_PROXY`, `HTTP_PROXY` and"
            " `NO_PROXY` of the worker, which may have credentials."
        ),
    ] = None
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
            description="`Anthropic`: version of the API for translated requests. From `2026-10-21` on, `temperature`,"
            " `top_p` and `top_k` other than the default are refused."
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
        """The provider's name of a model."""
        return self.models.get(model) or self.model or model
