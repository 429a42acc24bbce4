"""Tables of docs/reference/modelroute.md: fields, rules, status, columns, failures."""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.inspect import ListType, StructType

from generate.fields import default_words, description, plain, struct, type_words
from generate.page import table
from penstock_contract.crd.resource import COLUMNS
from penstock_contract.error_codes import ERRORS
from penstock_contract.route.pod import placement
from penstock_contract.route.spec import ModelRoute
from penstock_contract.route.status import ModelRouteStatus
from penstock_contract.route.validation import LOCAL_ADDRESS, NAME, RULES, Rule
from penstock_contract.route.values import SecretKeyRef, secret_variable
from penstock_worker.sessions.calls import circuit_breaker, retry_plan
from penstock_worker.sessions.calls.retry_plan import Verdict

Row = tuple[str, str, str, str]

SECRETS = (
    SecretKeyRef(name="openai", key="api-key"),
    SecretKeyRef(name="openrouter", key="api-key"),
    SecretKeyRef(name="team-a.keys", key="token"),
)
NEXT = {
    Verdict.AGAIN_LATER: "the next provider at once; this one again later, up to `retries` times",
    Verdict.NOT_AGAIN: "the next provider at once; this one not again",
}


def spec(*prefixes: str) -> str:
    """The fields whose path begins with one of `prefixes`."""
    found = [row for row in rows(ModelRoute) if any(_under(row[0], prefix) for prefix in prefixes)]
    return table(("field", "type", "default", "meaning"), found)


def groups() -> dict[str, tuple[str, ...]]:
    """The tables of the spec's fields by their names in the page: together they hold every field."""
    return {
        "fields of the resource": ("apiVersion", "kind", "metadata"),
        "fields of spec.models": ("spec.models",),
        "fields of spec.providers": ("spec.providers",),
        "fields of spec.routing and spec.limits": ("spec.routing", "spec.limits"),
        "fields of spec.streams": ("spec.streams",),
        "fields of spec.scaling": ("spec.scaling",),
        "fields of spec.worker": ("spec.worker",),
        "fields of spec.errorMessages": ("spec.errorMessages", "spec.errorMessagesInLog"),
    }


def status() -> str:
    found = ((path, type_, meaning) for path, type_, _, meaning in rows(ModelRouteStatus, "status."))
    return table(("field", "type", "meaning"), found)


def columns() -> str:
    """Of `kubectl get modelroutes`."""
    return table(("column", "meaning"), ((f"`{one['name'].upper()}`", one["description"]) for one in COLUMNS))


def rules() -> str:
    return _rules(RULES)


def cluster_rules() -> str:
    """Those that the API server checks alone, and the name, which `penstock dev` checks with its own words."""
    return _rules((NAME, LOCAL_ADDRESS))


def failures() -> str:
    """Failures before the first event that call for another try."""
    return table(
        ("code", "meaning", "what follows", "cools the provider down"),
        (
            (f"`{code}`", ERRORS[code].meaning, NEXT[verdict], "yes" if code in circuit_breaker.COOLING else "no")
            for code, verdict in retry_plan.AFTER.items()
        ),
    )


def secrets() -> str:
    return table(
        ("`secretKeyRef`", "variable"),
        ((f"`{{name: {one.name}, key: {one.key}}}`", f"`{secret_variable(one)}`") for one in SECRETS),
    )


def rows(kind: type[Struct], prefix: str = "") -> Iterator[Row]:
    """(`path`, type, default, meaning) of every field."""
    for field in struct(kind).fields:
        path = prefix + field.encode_name
        inner = plain(field.type)
        nested = inner.item_type if isinstance(inner, ListType) else inner
        # `metadata` and `spec` themselves have no row: their fields have.
        if not (isinstance(inner, StructType) and field.required):
            yield f"`{path}`", type_words(inner), default_words(field), description(kind, field)
        # Kubernetes' own types have Kubernetes' own pages.
        if isinstance(nested, StructType) and nested.cls.__module__ != placement.__name__:
            yield from rows(nested.cls, f"{path}[]." if isinstance(inner, ListType) else f"{path}.")


def _under(cell: str, prefix: str) -> bool:
    path = cell.strip("`")
    return path == prefix or path.startswith((f"{prefix}.", f"{prefix}[]"))


def _rules(found: Iterable[Rule]) -> str:
    return table(("message", "reason"), ((rule.message, rule.reason) for rule in found))
