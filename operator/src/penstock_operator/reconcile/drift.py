"""Where a live object lacks or contradicts what is wanted; pure.

What the API server fills in, and what others added, is no difference. What was wanted once and is no longer shows in
the annotation with the digest of what was applied.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from penstock_operator.reconcile.manifests import APPLIED, Manifest

_QUANTITY: Final = re.compile(
    r"\+?(?P<number>[0-9.]+)(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[-+]?\d+))?"
)
_POWERS: Final[Mapping[str, int]] = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final[Mapping[str, int]] = {prefix + "i": 1024**power for power, prefix in enumerate("KMGTPE", start=1)}
_QUANTITIES: Final = re.compile(r"\.(requests|limits)\.[^.]+$|\.sizeLimit$")
_ABSENT: Final[tuple[Any, ...]] = (None, "", {}, [])
"""What the API server leaves out when it is empty."""


def differences(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Paths (`spec.template.spec.containers[worker].image`) where `live` is not as `wanted`; empty when it is."""
    # An item of a list lacks its kind.
    told = {key: value for key, value in wanted.items() if key not in {"apiVersion", "kind"}}
    return [found for key, value in told.items() for found in _compare(value, live.get(key), key)]


def edits(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """The differences that somebody else made: empty if what is wanted is no longer what was applied last."""
    if _applied(wanted) != _applied(live):
        return []
    return differences(wanted, live)


def replicas_to_keep(live: Manifest, manager: str) -> int | None:
    """The live number of workers if `manager` alone owns it, else None.

    A field that server-side apply owned and finds no more is removed: the API server would put its default of 1 in
    its place. So it is applied as it is until a scaler, whoever it is, has made it its own.
    """
    owners = {
        (entry.get("manager"), entry.get("operation"), entry.get("subresource", ""))
        for entry in live["metadata"].get("managedFields", ())
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    }
    return live["spec"].get("replicas") if owners == {(manager, "Apply", "")} else None


def same_quantity(one: Any, other: Any) -> bool:
    """`1000m` is `1`, `1Gi` is `1024Mi`; what is no quantity is compared as it is."""
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
    """What tells the items of a list apart, if they are no plain sequence: others may have added some of their own."""
    for key in ("uid", "name"):
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
