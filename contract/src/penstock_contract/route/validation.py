"""The rules of a ModelRoute that cross fields, in CEL: the CRD carries them, the laptop evaluates them.

One source, the same messages. Values are JSON with the defaults filled in. Only functions that the API server and the
laptop's library both have are used (`tests/cluster/test_crd_rules.py` runs both), and the bounds of the Structs keep
each rule within the API server's cost budget.
"""

import re
from functools import cache
from typing import Any, Final, Literal, NamedTuple

import cel

from penstock_contract.errors import PenstockError
from penstock_contract.route.json_form import with_defaults
from penstock_contract.route.spec import ModelRouteSpec


class Rule(NamedTuple):
    """`cel` must be true for a valid route. `message` is the error, `reason` its entry in docs/reference/modelroute.md.

    `scope` is what `self` is.
    """

    cel: str
    message: str
    reason: str
    scope: Literal["spec", "provider"] = "spec"


# What follows the scheme in a URL whose host is this machine, as a URL that needs no TLS may have it.
_LOOPBACK: Final = r"(([^/:]+\\.)?localhost|127(\\.[0-9]+){3}|\\[::1\\])(:|/|$)"

# Headers that the worker sets itself, or that would change how the message is framed or forwarded (RFC 9110 §7.6.1).
_OWN_HEADERS: Final = (
    "accept",
    "accept-encoding",
    "anthropic-version",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
)
# Names whose value is a credential, whatever stands in front of them; a key of a cache or of a retry is none.
_CREDENTIAL: Final = (
    "(?i)((authorization|cookie|token|secret|password|passwd|apikey|credentials?|signature|bearer|jwt)"
    "|(^|[^a-z0-9])(auth|key|sig|pass|pwd))$"
)
_NO_CREDENTIAL: Final = "(?i)(cache|idempotency|routing|affinity|partition)[^a-z0-9]?key$"
_CREDENTIAL_VALUE: Final = "(?i)^((bearer|basic) |sk-)"
_PLAIN: Final = (
    f"!(has({{0}}.value) && ({{0}}.value.matches('{_CREDENTIAL_VALUE}')"
    f" || ({{0}}.name.matches('{_CREDENTIAL}') && !{{0}}.name.matches('{_NO_CREDENTIAL}'))))"
)
# Fields that the worker sets, or that it reads and counts the answer by, or that name a model, an address, a credential
# or a number of answers. Which of a gateway's own providers serves the model is the route's to set: `provider`.
_NOT_SET: Final = (
    "(?i)^(model|models|messages|input|stream|stream_options|n|best_of|logprobs|top_logprobs|audio|functions"
    "|function_call|fallbacks?|fallback_models|model_list|base_model|engine|deployment_id|custom_llm_provider"
    "|(api|base)_(base|base_url|key|keys|secret|type|url|version)|(extra|default)?_?(headers|body|query)|prox(y|ies)"
    "|organization|organization_id|project|(litellm|portkey|aws|azure|vertex)_.*|mock_.*|.*(api_?key|access_?key|_secret|access_token|auth_token)"
    "|user_config|kv_transfer_params)$"
)

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "self.providers.all(p, self.providers.exists_one(q, q.name == p.name))",
        "providers: names must be unique",
        "Errors, metrics and traces name the provider.",
    ),
    Rule(
        # `in` costs the API server a fraction of what comparing texts does: with it the longest list is within budget.
        # `[x].all(names, …)` gives x a name, for which CEL has no other word.
        "[self.models.map(n, n.name)].all(names, self.models.all(m,"
        " names.exists_one(n, n == m.name)"
        " && m.aliases.all(a, !(a in names)"
        " && m.aliases.exists_one(b, b == a) && self.models.exists_one(n, a in n.aliases))))",
        "models: a name or alias may occur only once",
        "Each name has one meaning.",
    ),
    Rule(
        "self.providers.all(p, self.providers.exists(q, q.priority == p.priority && q.weight > 0))",
        "providers: the weights of one priority must not all be 0",
        "No provider of that priority could be chosen.",
    ),
    Rule(
        "(self.type == 'Simulated') == has(self.simulated)",
        "providers: a Simulated provider needs the field simulated, and no other type may have it",
        "Generated text is never served by accident.",
        "provider",
    ),
    Rule(
        "self.type != 'Simulated' || (!has(self.baseURL) && !self.allowHTTP && !has(self.secretKeyRef))",
        "providers: a Simulated provider has neither baseURL, allowHTTP nor secretKeyRef",
        "It sends no requests.",
        "provider",
    ),
    Rule(
        "self.type != 'Simulated' || (self.headers.size() == 0 && self.query.size() == 0 && self.set.size() == 0)",
        "providers: a Simulated provider has neither headers, query nor set",
        "It sends no requests.",
        "provider",
    ),
    Rule(
        "[self.headers.map(h, h.name)].all(names, names.all(n, names.exists_one(m, m == n)))"
        " && [self.query.map(q, q.name)].all(names, names.all(n, names.exists_one(m, m == n)))"
        " && [self.set.map(f, f.name)].all(names, names.all(n, names.exists_one(m, m == n)))",
        "providers: headers, query and set have each name once",
        "Each name has one value.",
        "provider",
    ),
    Rule(
        "self.headers.all(h, has(h.value) != has(h.valueFrom)) && self.query.all(q, has(q.value) != has(q.valueFrom))",
        "providers: a header or query parameter has either value or valueFrom",
        "The value has one source.",
        "provider",
    ),
    Rule(
        f"self.headers.all(h, {_PLAIN.format('h')}) && self.query.all(q, {_PLAIN.format('q')})",
        "providers: a header or query parameter that carries a credential needs valueFrom, not value",
        "A route never holds a credential. Names such as `…-token` and values such as `sk-…` are refused.",
        "provider",
    ),
    Rule(
        f"self.headers.all(h, !(h.name in [{', '.join(repr(name) for name in _OWN_HEADERS)}]))",
        "providers: headers must not have a name that the worker sets, such as content-type, host or accept",
        "The provider would frame or read the message in another way.",
        "provider",
    ),
    Rule(
        f"!has(self.keyHeader) || !(self.keyHeader in [{', '.join(repr(name) for name in _OWN_HEADERS)}])",
        "providers: keyHeader must not be a header that the worker sets, such as content-type, host or accept",
        "The request would be framed or read in another way.",
        "provider",
    ),
    Rule(
        "!has(self.secretKeyRef) || self.headers.all(h, h.name != (has(self.keyHeader) ? self.keyHeader"
        " : self.type == 'Anthropic' ? 'x-api-key' : self.type == 'AzureOpenAI' ? 'api-key' : 'authorization'))",
        "providers: headers must not have the name of the header that carries the key of secretKeyRef",
        "The request would carry two keys.",
        "provider",
    ),
    Rule(
        "!has(self.apiVersion) || self.query.all(q, q.name != 'api-version')",
        "providers: query must not have api-version beside apiVersion",
        "The request would carry two versions.",
        "provider",
    ),
    Rule(
        f"self.set.all(f, !f.name.matches('{_NOT_SET}'))",
        "providers: set must not have a field that chooses the model, the answers, a credential or an address",
        "Usage records and prices are those of the requested model; a credential comes by reference.",
        "provider",
    ),
    Rule(
        "self.type != 'Anthropic' || self.set.all(f, !(f.name in ['max_tokens', 'max_completion_tokens']))",
        "providers: with type Anthropic the bound is defaultMaxTokens, not set",
        "Every request to Anthropic already has a bound.",
        "provider",
    ),
    Rule(
        "has(self.baseURL) || !(self.type in ['AzureOpenAI', 'CloudflareWorkersAI'])",
        "providers: the types AzureOpenAI and CloudflareWorkersAI need a baseURL",
        "Their addresses contain the resource or the account.",
        "provider",
    ),
    Rule(
        "!has(self.apiVersion) || self.type == 'AzureOpenAI'",
        "providers: apiVersion is for the type AzureOpenAI only",
        "No other API has one.",
        "provider",
    ),
    Rule(
        "!has(self.baseURL) || self.allowHTTP || self.baseURL.startsWith('https:')"
        f" || self.baseURL.matches('(?i)^http://{_LOOPBACK}')",
        "providers: baseURL must begin with https, or set allowHTTP: true to send prompts and keys in the clear",
        "Unencrypted prompts and keys can be read on the way. A loopback host needs no TLS.",
        "provider",
    ),
    Rule(
        "self.limits.firstTokenTimeoutSeconds <= self.limits.requestTimeoutSeconds",
        "limits: firstTokenTimeoutSeconds must not be longer than requestTimeoutSeconds",
        "It could never expire.",
    ),
    Rule(
        "self.streams.onDisconnect != 'Detach' || self.streams.keepSeconds > 0.0",
        "streams: onDisconnect Detach needs keepSeconds",
        "A detached stream ends without a reader, so its answer has to be stored.",
    ),
    Rule(
        "self.streams.onDisconnect != 'Grace' || self.streams.graceSeconds > 0.0",
        "streams: onDisconnect Grace needs graceSeconds",
        "A grace of 0 s is Cancel.",
    ),
    Rule(
        "self.scaling.minReplicas <= self.scaling.maxReplicas",
        "scaling: minReplicas must not be more than maxReplicas",
        "No number satisfies both.",
    ),
    Rule(
        "self.scaling.fallback.replicas <= self.scaling.maxReplicas",
        "scaling: fallback.replicas must not be more than maxReplicas",
        "`maxReplicas` also bounds the fallback.",
    ),
    Rule(
        "self.scaling.panicWindowSeconds < self.scaling.stableWindowSeconds",
        "scaling: panicWindowSeconds must be shorter than stableWindowSeconds",
        "A burst shows in the shorter window first.",
    ),
    Rule(
        "double(self.worker.terminationGracePeriodSeconds) >= self.limits.requestTimeoutSeconds",
        "worker: terminationGracePeriodSeconds must be at least limits.requestTimeoutSeconds, or streams are cut",
        "A terminating worker finishes its streams first.",
    ),
)

# A host that is this machine, its link or a cloud's metadata service, however it is written. Refused without a look at
# what they mean: an IPv4 address in another form than a.b.c.d (127.1, 2130706433, 0x7f.1, 0177.0.0.1) and IPv6
# addresses that hold an IPv4 one (::/16, 64:ff9b::/32). What a name resolves to is the network policy's business.
_NUMBER: Final = "(0x[0-9a-f]*|[0-9]+)"
_LOCAL: Final = "|".join(
    (
        r"([^/:]+\\.)?localhost|(ip6-)?loopback|ip6-localhost",
        r"metadata(\\.google\\.internal|\\.goog)?|instance-data(\\.ec2\\.internal)?",
        r"(0|127|169\\.254)\\.[0-9.]+|100\\.100\\.100\\.200|168\\.63\\.129\\.16|192\\.0\\.0\\.192",
        rf"{_NUMBER}(\\.{_NUMBER}){{0,2}}|({_NUMBER}\\.)*(0x[0-9a-f]*|0[0-9]+)(\\.{_NUMBER})*",
        r"\\[(0*:|0*64:0*ff9b:|fe[89ab][0-9a-f]:|fd00:0*ec2:|fd20:0*ce:)[0-9a-f:.]*\\]",
    )
)

LOCAL_ADDRESS: Final = Rule(
    f"!has(self.baseURL) || !self.baseURL.matches('(?i)^https?://({_LOCAL})(:|/|$)')",
    "providers: baseURL must not be a loopback, link-local or metadata address, nor a number in place of a.b.c.d",
    "A route's author must not reach what only the pod or its node may reach, such as the cloud's credentials.",
    "provider",
)
"""Only the CRD has it: on a laptop a provider on the same machine is the point. A chart's value leaves it out."""

NAME: Final = Rule(
    "self.metadata.name.size() <= 40 && !self.metadata.name.contains('.')",
    "metadata.name: must be lower-case letters, digits and hyphens, at most 40, as in my-route",
    "Names of pods and subjects of the broker begin with it. A laptop enforces the same.",
)
"""Of the whole resource. On a laptop the type of `metadata.name` enforces the same."""


_READ: Final = frozenset(re.findall(r"\w+", " ".join(rule.cel for rule in RULES)))
"""Names of all fields that a rule reads, and some words more. Each rule converts its whole document, so a field that no
rule reads is left out: placement, environment and the like can be as large as a request to the API server."""


def broken_rules(spec: ModelRouteSpec) -> list[str]:
    """Messages of the rules that `spec` breaks, in the table's order, and of JSON texts that are none."""
    document = with_defaults(spec, _READ)
    scopes: dict[str, list[Any]] = {"spec": [document], "provider": document["providers"]}
    return [
        rule.message
        for rule in RULES
        if not all(_compiled(rule.cel).execute({"self": value}) for value in scopes[rule.scope])
    ] + [
        f"providers: set.{field.name} of the provider {provider.name} is not JSON; a text is written as '\"flex\"'"
        for provider in spec.providers
        for field in provider.set_fields
        if not field.is_json
    ]


@cache
def _compiled(expression: str) -> cel.Program:
    """Once per process: an operator checks a thousand routes, and half of a check would be this."""
    return cel.compile(expression)


def check(spec: ModelRouteSpec) -> None:
    """Raise `invalid_request` with every broken rule's message."""
    if broken := broken_rules(spec):
        raise PenstockError("invalid_request", "; ".join(broken))
