"""Examples of ModelRoutes for each rule that crosses fields: those that keep it, and those that break it and no other.

One table for both who judge: the laptop (tests/unit/contract/test_route_validation.py) and the real API server
(tests/cluster/test_crd_rules.py). What is here is within the bounds of the types.
"""

from typing import Any

from penstock_contract.route.validation import LOCAL_ADDRESS, NAME

Spec = dict[str, Any]

MODEL = {"name": "m"}
PROVIDER = {"name": "p", "type": "OpenAI"}
REF = {"name": "n", "key": "k"}
SIMULATED = {"name": "p", "type": "Simulated", "simulated": {}}


def spec(
    models: list[dict[str, Any]] | None = None, providers: list[dict[str, Any]] | None = None, **more: Any
) -> Spec:
    return {"models": models or [MODEL], "providers": providers or [PROVIDER], **more}


def route(spec: Spec, name: str = "main") -> dict[str, Any]:
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute", "metadata": {"name": name}, "spec": spec}


def at(url: str, **more: Any) -> Spec:
    return spec(providers=[{**PROVIDER, "baseURL": url, **more}])


LONGEST_NAME = 256
FULL_MODELS = [
    {
        "name": f"{model}".rjust(LONGEST_NAME, "x"),
        "aliases": [f"{model}/{alias}".rjust(LONGEST_NAME, "x") for alias in range(8)],
    }
    for model in range(64)
]
FULL_PROVIDERS = [
    {
        **PROVIDER,
        "name": f"{number}".rjust(40, "p"),
        "baseURL": f"https://{'.'.join(['a' * 63] * 9)}/".ljust(2048, "x"),
    }
    for number in range(16)
]

KEPT: dict[str, Spec] = {
    "the smallest": spec(),
    "two providers": spec(providers=[PROVIDER, {**PROVIDER, "name": "q"}]),
    "two models with aliases": spec([{"name": "m", "aliases": ["a"]}, {"name": "n", "aliases": ["b"]}]),
    "a wildcard beside a name": spec([MODEL, {"name": "*"}]),
    "as many and as long names and addresses as the bounds allow": spec(FULL_MODELS, FULL_PROVIDERS),
    "a provider of weight 0 beside one that has some": spec(
        providers=[PROVIDER, {**PROVIDER, "name": "q", "weight": 0}]
    ),
    "a simulated provider": spec(providers=[SIMULATED]),
    "a provider without TLS that is allowed to": at("http://vllm.models.svc:8000/v1", allowHTTP=True),
    "Azure by its v1 API": at("https://r.openai.azure.com/openai/v1", type="AzureOpenAI"),
    "Azure by a dated API": at(
        "https://r.openai.azure.com/openai", type="AzureOpenAI", apiVersion="2025-04-01-preview"
    ),
    "Workers AI": at("https://api.cloudflare.com/client/v4/accounts/a/ai", type="CloudflareWorkersAI"),
    "constant headers, query parameters and fields": spec(
        providers=[
            {
                **PROVIDER,
                "secretKeyRef": {"name": "n", "key": "k"},
                "headers": [
                    {"name": "http-referer", "value": "https://example.com/a?b=c"},
                    {"name": "x-title", "value": "A title with blanks"},
                    {"name": "cf-access-client-secret", "valueFrom": {"secretKeyRef": {"name": "n", "key": "s"}}},
                    {"name": "cf-aig-cache-key", "value": "no credential"},
                    {"name": "anthropic-beta", "value": "a,b"},
                ],
                "query": [
                    {"name": "api-version", "value": "2025-04-01"},
                    {"name": "key", "valueFrom": {"secretKeyRef": {"name": "n", "key": "q"}}},
                ],
                "set": [
                    {"name": "provider", "value": '{"zdr": true}'},
                    {"name": "store", "value": "false"},
                    {"name": "prompt_cache_key", "value": '"a"'},
                ],
            }
        ]
    ),
    "as many and as long headers, query parameters and fields as the bounds allow": spec(
        providers=[
            {
                **PROVIDER,
                "name": f"p{number}",
                "headers": [{"name": f"{index}".rjust(64, "x"), "value": "v" * 1024} for index in range(16)],
                "query": [{"name": f"{index}".rjust(64, "x"), "value": "v" * 1024} for index in range(16)],
                "set": [{"name": f"{index}".rjust(64, "x"), "value": f'"{"v" * 1000}"'} for index in range(32)],
            }
            for number in range(16)
        ]
    ),
    "a credential in the header of a key where there is no key": spec(
        providers=[{**PROVIDER, "headers": [{"name": "authorization", "valueFrom": {"secretKeyRef": REF}}]}]
    ),
    "a first token as late as the end": spec(limits={"firstTokenTimeoutSeconds": 9, "requestTimeoutSeconds": 9}),
    "as many workers at least as at most": spec(scaling={"minReplicas": 3, "maxReplicas": 3}),
    "a fallback to all workers": spec(scaling={"maxReplicas": 3, "fallback": {"behavior": "Static", "replicas": 3}}),
    "a panic window one second shorter": spec(scaling={"panicWindowSeconds": 9, "stableWindowSeconds": 10}),
    "a grace period as long as a request": spec(
        limits={"requestTimeoutSeconds": 700}, worker={"terminationGracePeriodSeconds": 700}
    ),
    "more workers by hand than scaling by itself would start": spec(scaling={"mode": "Manual", "replicas": 20}),
    "everything of a worker's pods": spec(
        worker={
            "image": "registry.example/worker:1",
            "imagePullPolicy": "Always",
            "imagePullSecrets": [{"name": "registry"}],
            "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": 2, "example.com/gpu": 1}},
            "env": [{"name": "HTTPS_PROXY", "value": "https://proxy.example"}, {"name": "EMPTY"}],
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
            "priorityClassName": "high",
            "podLabels": {"team": "ai"},
            "podAnnotations": {"example.com/a": "b"},
        }
    ),
}

_PROVIDERS = "providers: names must be unique"
_MODELS = "models: a name or alias may occur only once"
_WEIGHTS = "providers: the weights of one priority must not all be 0"
_NEEDS_SIMULATED = "providers: a Simulated provider needs the field simulated, and no other type may have it"
_SIMULATED_ALONE = "providers: a Simulated provider has neither baseURL, allowHTTP nor secretKeyRef"
_TLS = "providers: baseURL must begin with https, or say allowHTTP: true to send prompts and keys in the clear"
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

FAR: tuple[str, ...] = (
    "https://api.openai.com/v1",
    "https://10.0.0.7:8443/v1",
    "https://192.168.1.1",
    "https://100.100.100.20",
    "https://1.2.3.4",
    "https://[2001:db8::1]:8443/v1",
    "https://[fd12:3456::1]",
    "https://[fec0::1]",
    "https://localhost.example.com",
    "https://notlocalhost",
    "https://metadata.example.com",
    "https://127.example.com",
    "https://0x7f.example.com",
    "https://01.example.com",
    "https://api.example.com/127.0.0.1",
    # What a name resolves to is the network policy's business.
    "https://127.0.0.1.example.com",
)
"""Addresses that a provider may have wherever the route is."""

LOCAL: tuple[str, ...] = (
    "localhost",
    "LocalHost",
    "models.localhost",
    "ip6-localhost",
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[0064:FF9B::a9fe:a9fe]",
    "[fe80::1]",
    "[FEBF::1]",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:254]",
    "[fd20:ce::254]",
    "metadata",
    "metadata.google.internal",
    "Metadata.Google.Internal",
    "instance-data.ec2.internal",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0",
    "2130706433",
    "2852039166",
    "0x7f000001",
    "0X7F.1",
    "127.1",
    "127.0.1",
    "10.1",
    "0177.0.0.1",
    "10.0.0.010",
    "0x7f.0.0.1",
    "127.0.0.0x1",
)
"""Hosts that a provider may have on a laptop only."""

LOCAL_ONLY: dict[str, Spec] = {
    **{host: at(f"https://{host}:8443/v1") for host in LOCAL},
    "a loopback name without TLS": at("http://localhost:8000/v1"),
    "a loopback subdomain without TLS": at("http://models.localhost"),
    "a loopback address without TLS": at("http://127.0.0.1:8000/v1"),
    "a loopback IPv6 address without TLS": at("http://[::1]/v1"),
    "a metadata service without TLS that is allowed to": at("http://169.254.169.254/latest", allowHTTP=True),
}
"""Kept on a laptop; in a cluster each breaks `LOCAL_ADDRESS` alone."""

NAMES_KEPT: tuple[str, ...] = ("m", "my-route-2", "r" * 40)
NAMES_BROKEN: tuple[str, ...] = ("r" * 41, "my.route", "r" * 63 + ".route")
"""Names of the resource; the broken ones are good names for any other resource of Kubernetes."""

CLUSTER_MESSAGES: tuple[str, ...] = (LOCAL_ADDRESS.message, NAME.message)
