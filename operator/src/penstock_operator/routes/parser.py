"""A ModelRoute as the API server has it, read into the contract's words; pure.

What cannot be read is an answer, not an exception: a newer CRD may let a field through that this operator does not
know, and an older one may have let a spec through that breaks a rule of today.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from penstock_contract.route import validation
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.values import DnsLabel
from penstock_operator.reconcile import manifests

PROBLEM_MAX: Final = 1_000


class Route(Struct, frozen=True, kw_only=True):
    """`spec` is None if it cannot be decoded, `problem` says why this operator cannot serve it; empty if it can.

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
        """As in the catalogue."""
        return f"{self.namespace}.{self.name}"


def read(body: Mapping[str, Any]) -> Route:
    """The route in a ModelRoute's whole JSON. Only what the API server itself sets has to be there."""
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
    """The same route after the API server refused what was to be made of it; `message` is the API server's."""
    return msgspec.structs.replace(route, problem=f"the API server refuses it: {message}"[:PROBLEM_MAX])


def _spec(body: Mapping[str, Any]) -> tuple[ModelRouteSpec | None, str]:
    try:
        # The name becomes a token of subjects and keys: nothing else may be made of one that is not fit for that.
        msgspec.convert(body["metadata"]["name"], DnsLabel)
    except msgspec.ValidationError:
        return None, validation.NAME.message
    try:
        spec = msgspec.convert(body.get("spec", {}), ModelRouteSpec)
    except msgspec.ValidationError as error:
        return None, f"this operator cannot read it: {error}".replace("`$", "`spec")
    except RecursionError:
        return None, "this operator cannot read it: it is nested too deeply"
    return spec, "; ".join([*validation.broken_rules(spec), *manifests.clashes(spec)])
