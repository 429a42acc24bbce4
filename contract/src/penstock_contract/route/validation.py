"""The rules of a ModelRoute that cross fields, in CEL: the CRD carries them, the laptop evaluates them.

One source, the same messages. Values are JSON with the defaults filled in. Only functions that the API server and the
laptop's library both have are used (`tests/cluster/test_crd_rules.py` asks both), and the bounds of the Structs keep
each rule within the API server's cost budget.
"""

import re
import sys
from collections.abc import Container
from functools import cache
from types import ModuleType
from typing import Any, Final, Literal, NamedTuple

import msgspec

from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec

# cel/__init__ imports its own command line with prompt_toolkit and rich: half a second for nothing.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
import cel  # noqa: E402 - after the line above


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
        "providers: baseURL must begin with https, or say allowHTTP: true to send prompts and keys in the clear",
        "Unencrypted prompts and keys can be read on the way. A loopback host needs no TLS.",
        "provider",
    ),
    Rule(
        "self.limits.firstTokenTimeoutSeconds <= self.limits.requestTimeoutSeconds",
        "limits: firstTokenTimeoutSeconds must not be longer than requestTimeoutSeconds",
        "It could never expire.",
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
"""Of the whole resource. On a laptop the type of `metadata.name` says so, in the same words."""


_READ: Final = frozenset(re.findall(r"\w+", " ".join(rule.cel for rule in RULES)))
"""Names of all fields that a rule reads, and some words more. Each rule converts its whole document, so a field that no
rule reads is left out: placement, environment and the like can be as large as a request to the API server."""


def broken_rules(spec: ModelRouteSpec) -> list[str]:
    """Messages of the rules that `spec` breaks, in the table's order."""
    document = _with_defaults(spec, _READ)
    scopes: dict[str, list[Any]] = {"spec": [document], "provider": document["providers"]}
    return [
        rule.message
        for rule in RULES
        if not all(_compiled(rule.cel).execute({"self": value}) for value in scopes[rule.scope])
    ]


@cache
def _compiled(expression: str) -> cel.Program:
    """Once per process: an operator checks a thousand routes, and half of a check would be this."""
    return cel.compile(expression)


def check(spec: ModelRouteSpec) -> None:
    """Raise `invalid_request` with every broken rule's message."""
    if broken := broken_rules(spec):
        raise PenstockError("invalid_request", "; ".join(broken))


def _with_defaults(value: Any, only: Container[str] | None = None) -> Any:
    """The JSON form with every default present and what is unset absent: what CEL on the API server sees.

    With `only` the fields of other names are left out.
    """
    if isinstance(value, msgspec.Struct):
        return {
            encoded: _with_defaults(getattr(value, name), only)
            for name, encoded in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
            if getattr(value, name) is not None and (only is None or encoded in only)
        }
    if isinstance(value, list):
        return [_with_defaults(item, only) for item in value]
    return value
