"""Routes that violate exactly one rule that crosses fields, each with the message of the rule."""

from typing import Any

from harness.route_examples import FULL_MODELS, MODEL, PROVIDER, REF, SIMULATED, Spec, at, spec

_PROVIDERS = "providers: names must be unique"
_MODELS = "models: a name or alias may occur only once"
_WEIGHTS = "providers: the weights of one priority must not all be 0"
_NEEDS_SIMULATED = "providers: a Simulated provider needs the field simulated, and no other type may have it"
_SIMULATED_ALONE = "providers: a Simulated provider has neither baseURL, allowHTTP nor secretKeyRef"
_TLS = "providers: baseURL must begin with https, or set allowHTTP: true to send prompts and keys in the clear"
_NEEDS_URL = "providers: the types AzureOpenAI and CloudflareWorkersAI need a baseURL"
_API_VERSION = "providers: apiVersion is for the type AzureOpenAI only"
_SIMULATED_ADDS = "providers: a Simulated provider has neither headers, query nor set"
_TWICE = "providers: headers, query and set have each name once"
_EITHER = "providers: a header or query parameter has either value or valueFrom"
_BY_REFERENCE = "providers: a header or query parameter that carries a credential needs valueFrom, not value"
_OWN_HEADER = "providers: headers must not have a name that the worker sets, such as content-type, host or accept"
_KEY_IN_OWN_HEADER = (
    "providers: keyHeader must not be a header that the worker sets, such as content-type, host or accept"
)
_KEY_HEADER = "providers: headers must not have the name of the header that carries the key of secretKeyRef"
_QUERY_VERSION = "providers: query must not have api-version beside apiVersion"
_NOT_SET = "providers: set must not have a field that chooses the model, the answers, a credential or an address"
_BOUND = "providers: with type Anthropic the bound is defaultMaxTokens, not set"
_FIRST_TOKEN = "limits: firstTokenTimeoutSeconds must not be longer than requestTimeoutSeconds"
_MIN = "scaling: minReplicas must not be more than maxReplicas"
_FALLBACK = "scaling: fallback.replicas must not be more than maxReplicas"
_PANIC = "scaling: panicWindowSeconds must be shorter than stableWindowSeconds"
_GRACE = "worker: terminationGracePeriodSeconds must be at least limits.requestTimeoutSeconds, or streams are cut"


def adding(kind: str, *entries: dict[str, Any], **more: Any) -> Spec:
    """A provider with `entries` in one of its lists headers, query and set."""
    return spec(providers=[{**PROVIDER, **more, kind: list(entries)}])


def named(name: str, value: str = "v") -> dict[str, Any]:
    return {"name": name, "value": value}


FROM_SECRET = {"valueFrom": {"secretKeyRef": REF}}
BROKEN: dict[str, tuple[Spec, str]] = {
    "a simulated provider with a header": (
        spec(providers=[{**SIMULATED, "headers": [named("x-a")]}]),
        _SIMULATED_ADDS,
    ),
    "a header twice": (adding("headers", named("x-a"), named("x-a")), _TWICE),
    "a query parameter twice": (adding("query", named("a"), named("a", "b")), _TWICE),
    "a field twice": (adding("set", named("a", "1"), named("a", "2")), _TWICE),
    "a header with a value and a reference": (adding("headers", {**named("x-a"), **FROM_SECRET}), _EITHER),
    "a header with neither": (adding("headers", {"name": "x-a"}), _EITHER),
    "a query parameter with neither": (adding("query", {"name": "a"}), _EITHER),
    **{
        f"a credential in the route: {name}": (adding("headers", named(name)), _BY_REFERENCE)
        for name in (
            "authorization",
            "proxy-authorization",
            "cookie",
            "api-key",
            "x-api-key",
            "x-goog-api-key",
            "cf-access-client-secret",
            "cf-access-token",
            "ocp-apim-subscription-key",
            "x-auth-token",
            "helicone-auth",
            "apikey",
            "x-amz-signature",
        )
    },
    "a credential by its value": (adding("headers", named("x-upstream", "Bearer abc")), _BY_REFERENCE),
    "a credential in the query": (adding("query", named("key")), _BY_REFERENCE),
    "a token in the query": (adding("query", named("access_token")), _BY_REFERENCE),
    **{
        f"a header of the worker's own: {name}": (adding("headers", named(name)), _OWN_HEADER)
        for name in ("content-type", "host", "content-length", "transfer-encoding", "connection", "accept", "te")
    },
    "a key in a header of the worker's own": (
        spec(providers=[{**PROVIDER, "secretKeyRef": REF, "keyHeader": "content-length"}]),
        _KEY_IN_OWN_HEADER,
    ),
    "a second key": (adding("headers", {"name": "authorization", **FROM_SECRET}, secretKeyRef=REF), _KEY_HEADER),
    "a second key for Anthropic": (
        adding("headers", {"name": "x-api-key", **FROM_SECRET}, secretKeyRef=REF, type="Anthropic"),
        _KEY_HEADER,
    ),
    "a second key in the header that was chosen": (
        adding("headers", {"name": "x-k", **FROM_SECRET}, secretKeyRef=REF, keyHeader="x-k"),
        _KEY_HEADER,
    ),
    "a second version of the API": (
        adding(
            "query",
            named("api-version"),
            type="AzureOpenAI",
            baseURL="https://r.openai.azure.com/openai",
            apiVersion="2024-10-21",
        ),
        _QUERY_VERSION,
    ),
    **{
        f"a field that is not the route's to set: {name}": (adding("set", named(name, "1")), _NOT_SET)
        for name in (
            "model",
            "Model",
            "models",
            "messages",
            "stream",
            "stream_options",
            "n",
            "api_key",
            "api_base",
            "base_url",
            "extra_headers",
            "aws_secret_access_key",
            "litellm_params",
        )
    },
    "Anthropic's bound": (adding("set", named("max_tokens", "1"), type="Anthropic"), _BOUND),
    "two providers of one name": (spec(providers=[PROVIDER, PROVIDER]), _PROVIDERS),
    "two models of one name": (spec([MODEL, MODEL]), _MODELS),
    "an alias that is another's name": (spec([MODEL, {"name": "n", "aliases": ["m"]}]), _MODELS),
    "an alias that is its own name": (spec([{"name": "m", "aliases": ["m"]}]), _MODELS),
    "an alias of two models": (spec([{"name": "m", "aliases": ["a"]}, {"name": "n", "aliases": ["a"]}]), _MODELS),
    "an alias twice": (spec([{"name": "m", "aliases": ["a", "a"]}]), _MODELS),
    "one name twice among as many as there may be": (
        spec([*FULL_MODELS[:63], {**FULL_MODELS[63], "aliases": [FULL_MODELS[0]["name"]]}]),
        _MODELS,
    ),
    "a priority without weight": (spec(providers=[{**PROVIDER, "weight": 0}]), _WEIGHTS),
    "a fallback without weight": (
        spec(providers=[PROVIDER, {**PROVIDER, "name": "q", "priority": 1, "weight": 0}]),
        _WEIGHTS,
    ),
    "a simulated provider that says nothing": (spec(providers=[{"name": "p", "type": "Simulated"}]), _NEEDS_SIMULATED),
    "a real provider that simulates": (spec(providers=[{**PROVIDER, "simulated": {}}]), _NEEDS_SIMULATED),
    "a second provider that simulates": (
        spec(providers=[PROVIDER, {**PROVIDER, "name": "q", "simulated": {}}]),
        _NEEDS_SIMULATED,
    ),
    "a simulated provider with a URL": (
        spec(providers=[{**SIMULATED, "baseURL": "https://api.example.com"}]),
        _SIMULATED_ALONE,
    ),
    "a simulated provider with a key": (
        spec(providers=[{**SIMULATED, "secretKeyRef": {"name": "n", "key": "k"}}]),
        _SIMULATED_ALONE,
    ),
    "a simulated provider that may go without TLS": (
        spec(providers=[{**SIMULATED, "allowHTTP": True}]),
        _SIMULATED_ALONE,
    ),
    "Azure without an address": (spec(providers=[{**PROVIDER, "type": "AzureOpenAI"}]), _NEEDS_URL),
    "Workers AI without an address": (spec(providers=[{**PROVIDER, "type": "CloudflareWorkersAI"}]), _NEEDS_URL),
    "a dated API of another type": (spec(providers=[{**PROVIDER, "apiVersion": "2024-10-21"}]), _API_VERSION),
    "a provider without TLS": (at("http://vllm:8000/v1"), _TLS),
    "a provider without TLS that begins like a loopback name": (at("http://localhost.example.com/v1"), _TLS),
    "a provider without TLS that begins like a loopback address": (at("http://127.0.0.1.example.com"), _TLS),
    "a provider without TLS that ends like a loopback name": (at("http://notlocalhost:80"), _TLS),
    "a first token later than the end": (
        spec(limits={"firstTokenTimeoutSeconds": 9, "requestTimeoutSeconds": 8}),
        _FIRST_TOKEN,
    ),
    "a default that is later than the end": (spec(limits={"requestTimeoutSeconds": 8}), _FIRST_TOKEN),
    "detached streams that are not kept": (
        spec(streams={"onDisconnect": "Detach"}),
        "streams: onDisconnect Detach needs keepSeconds",
    ),
    "a grace of no time": (
        spec(streams={"onDisconnect": "Grace", "graceSeconds": 0}),
        "streams: onDisconnect Grace needs graceSeconds",
    ),
    "more workers at least than at most": (spec(scaling={"minReplicas": 4, "maxReplicas": 3}), _MIN),
    "more workers at least than the default at most": (spec(scaling={"minReplicas": 11}), _MIN),
    "a fallback to more workers than at most": (
        spec(scaling={"maxReplicas": 3, "fallback": {"replicas": 4}}),
        _FALLBACK,
    ),
    "a panic window as long as the other": (
        spec(scaling={"panicWindowSeconds": 10, "stableWindowSeconds": 10}),
        _PANIC,
    ),
    "a stable window as short as the default panic": (spec(scaling={"stableWindowSeconds": 6}), _PANIC),
    "a grace period shorter than a request": (spec(worker={"terminationGracePeriodSeconds": 599}), _GRACE),
    "a request a blink longer than the default grace period": (
        spec(limits={"requestTimeoutSeconds": 660.5}),
        _GRACE,
    ),
}
