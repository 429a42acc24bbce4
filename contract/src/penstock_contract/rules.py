"""The rules of a ModelRoute that cross fields, in CEL: the CRD carries them, the laptop evaluates them.

One source, the same messages. `self` is the spec as JSON with its defaults filled in.
"""

import sys
from types import ModuleType
from typing import NamedTuple

import msgspec

from penstock_contract.errors import PenstockError
from penstock_contract.route import ModelRouteSpec

# cel/__init__ imports its own command line with prompt_toolkit and rich: half a second for nothing.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
import cel  # noqa: E402 - after the line above


class Rule(NamedTuple):
    """`cel` must be true for a valid spec; `message` tells the user what to change."""

    cel: str
    message: str


RULES: tuple[Rule, ...] = (
    Rule(
        "self.providers.all(p, self.providers.filter(q, q.name == p.name).size() == 1)",
        "providers: names must be unique",
    ),
    Rule(
        "self.models.all(m, self.models.filter(n, n.name == m.name || m.name in n.aliases).size() == 1"
        " && !(m.name in m.aliases)"
        " && m.aliases.all(a, self.models.filter(n, n.name == a || a in n.aliases).size() == 1"
        " && m.aliases.filter(b, b == a).size() == 1))",
        "models: a name or alias may occur only once",
    ),
    Rule(
        "self.providers.all(p, self.providers.exists(q, q.priority == p.priority && q.weight > 0))",
        "providers: the weights of one priority must not all be 0",
    ),
    Rule(
        "self.providers.all(p, (p.type == 'Simulated') == has(p.simulated))",
        "providers: a Simulated provider needs the field simulated, and no other type may have it",
    ),
    Rule(
        "self.providers.all(p, p.type != 'Simulated' || (!has(p.baseURL) && !has(p.secretKeyRef)))",
        "providers: a Simulated provider has neither baseURL nor secretKeyRef",
    ),
    Rule(
        "self.limits.firstTokenTimeoutSeconds <= self.limits.requestTimeoutSeconds",
        "limits: firstTokenTimeoutSeconds must not be longer than requestTimeoutSeconds",
    ),
)


def broken_rules(spec: ModelRouteSpec) -> list[str]:
    """Messages of the rules that `spec` breaks, in the table's order."""
    document = _with_defaults(spec)
    return [rule.message for rule in RULES if not cel.evaluate(rule.cel, {"self": document})]


def check(spec: ModelRouteSpec) -> None:
    """Raise `invalid_request` with every broken rule's message."""
    if broken := broken_rules(spec):
        raise PenstockError("invalid_request", "; ".join(broken))


def _with_defaults(value: object) -> object:
    """The JSON form with every default present and what is unset absent: what CEL on the API server sees."""
    if isinstance(value, msgspec.Struct):
        return {
            encoded: _with_defaults(getattr(value, name))
            for name, encoded in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
            if getattr(value, name) is not None
        }
    if isinstance(value, list):
        return [_with_defaults(item) for item in value]
    return value
