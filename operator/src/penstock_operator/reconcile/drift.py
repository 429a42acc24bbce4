"""Differences of a live object from its manifest; pure.

Defaults of the API server and additions of other clients are no differences. A field that the manifest no longer
contains is detected by the annotation with the digest of the applied manifest.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from penstock_operator.reconcile.owned_object import APPLIED, Manifest

_QUANTITY: Final = re.compile(
    r"\+?(?P<number>[0-9.]+)(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[-+]?\d+))?"
)
_POWERS: Final[Mapping[str, int]] = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final[Mapping[str, int]] = {prefix + "i": 1024**power for power, prefix in enumerate("KMGTPE", start=1)}
_QUANTITIES: Final = re.compile(r"\.(requests|limits)\.[^.]+$|\.sizeLimit$")
_ABSENT: Final[tuple[Any, ...]] = (None, "", {}, [])
"""Values that the API server omits."""


def differences(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Paths (`spec.template.spec.containers[worker].image`) where `live` differs from `wanted`; empty if none."""
    # Items of lists lack their kind.
    compared = {key: value for key, value in wanted.items() if key not in {"apiVersion", "kind"}}
    return [found for key, value in compared.items() for found in _compare(value, live.get(key), key)]


def edits(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """The differences that another client made: empty if the manifest itself changed since it was applied."""
    if _applied(wanted) != _applied(live):
        return []
    return differences(wanted, live)


def replicas_to_keep(live: Manifest, manager: str) -> int | None:
    """The live number of workers if `manager` alone owns it, else None.

    Server-side apply removes an owned field that the manifest no longer has, and the API server would set its default
    of 1. So the number is applied unchanged until a scaler owns it.
    """
    owners = {
        (entry.get("manager"), entry.get("operation"), entry.get("subresource", ""))
        for entry in live["metadata"].get("managedFields", ())
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    }
    return live["spec"].get("replicas") if owners == {(manager, "Apply", "")} else None


def same_quantity(one: Any, other: Any) -> bool:
    """Compares quantities: `1000m` is `1`, `1Gi` is `1024Mi`; other values are compared as text."""
    first, second = _number(one), _number(other)
    return str(one) == str(other) if first is None or second is None else first == second


def _compare(wanted: Any, live: Any, path: str) -> list[str]:
    if wanted == live or (wanted in _ABSENT and live in _ABSENT):
        return []
    if isinstance(wanted, dict) and isinstance(live, dict):
        return [found for key, value in wanted.items() for found in _compare(value, live.get(key), f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(live, list):
        return _compare_lists(wanted, live, path)
    return [] if live is not None and _QUANTITIES.search(path) and same_quantity(wanted, live) else [path]


def _compare_lists(wanted: list[Any], live: list[Any], path: str) -> list[str]:
    if (key := _key(wanted)) is None:
        if len(wanted) != len(live):
            return [path]
        pairs = zip(wanted, live, strict=True)
        return [found for at, (one, other) in enumerate(pairs) for found in _compare(one, other, f"{path}[{at}]")]
    by_key = {item.get(key): item for item in live if isinstance(item, dict)}
    return [found for item in wanted for found in _compare(item, by_key.get(item[key]), f"{path}[{item[key]}]")]


def _key(items: list[Any]) -> str | None:
    """The field that identifies the items of a list, if it is no plain sequence: other clients may add items."""
    # A volume may be mounted several times.
    for key in ("uid", "mountPath", "name"):
        if items and all(isinstance(item, dict) and key in item for item in items):
            return key
    return None


def _applied(manifest: Mapping[str, Any]) -> Any:
    return manifest["metadata"].get("annotations", {}).get(APPLIED)


def _number(value: Any) -> Decimal | None:
    if (match := _QUANTITY.fullmatch(str(value))) is None:
        return None
    number, suffix = Decimal(match["number"]), match["suffix"]
    if suffix in _BINARY:
        return number * _BINARY[suffix]
    power = _POWERS[suffix] if suffix else int(match["exponent"] or 0)
    return number.scaleb(power)
