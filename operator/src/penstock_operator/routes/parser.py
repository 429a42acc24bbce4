"""Parses a ModelRoute's JSON into the contract's types; pure.

An unreadable route is a result, not an exception: a newer CRD may accept a field that is unknown to this operator, and
an older one may have accepted a spec that violates a present rule.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from penstock_contract.route import validation
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.values import DnsLabel
from penstock_operator.routes import worker_variables

PROBLEM_MAX: Final = 1_000


class Route(Struct, frozen=True, kw_only=True):
    """`spec` is None if it cannot be decoded, `problem` is why this operator cannot serve it; empty if it can.

    `created_at` is in Unix seconds. A route that is `deleting` still exists, but only until its workers are gone.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    created_at: int
    deleting: bool = False
    spec: ModelRouteSpec | None = None
    problem: str = ""

    @property
    def key(self) -> str:
        """The catalogue's key."""
        return f"{self.namespace}.{self.name}"


def read(body: Mapping[str, Any]) -> Route:
    """Parses a ModelRoute's whole JSON. Requires only the fields that the API server itself sets."""
    metadata = body["metadata"]
    spec, problem = _spec(body)
    return Route(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        created_at=int(dt.datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()),
        deleting="deletionTimestamp" in metadata,
        spec=spec,
        problem=problem[:PROBLEM_MAX],
    )


def refuse(route: Route, message: str) -> Route:
    """The same route after the API server rejected one of its objects; `message` is the API server's."""
    return msgspec.structs.replace(route, problem=f"the API server rejects it: {message}"[:PROBLEM_MAX])


def _spec(body: Mapping[str, Any]) -> tuple[ModelRouteSpec | None, str]:
    try:
        # The name becomes a token of subjects and keys, so nothing may be made of an unsuitable one.
        msgspec.convert(body["metadata"]["name"], DnsLabel)
    except msgspec.ValidationError:
        return None, validation.NAME.message
    try:
        spec = msgspec.convert(body.get("spec", {}), ModelRouteSpec)
    except msgspec.ValidationError as error:
        return None, f"this operator cannot read it: {error}".replace("`$", "`spec")
    except RecursionError:
        return None, "this operator cannot read it: it is nested too deeply"
    return spec, "; ".join([*validation.broken_rules(spec), *worker_variables.clashes(spec)])
