"""Who leads: what to do about a Lease that was just read. Pure; `election` reads and writes it.

Another machine's clock is never believed: a holder is alive while we see its record change, by our own clock.
"""

from typing import Any

from msgspec import Struct

Body = dict[str, Any]


class Seen(Struct, frozen=True):
    """A version of the record, and when we first saw it."""

    version: str
    at: float


class Take(Struct, frozen=True):
    """Nobody holds it, or its holder is gone, or it is ours: write it in our name."""


class Wait(Struct, frozen=True):
    """Somebody else leads. It may be taken `expires_at` at the earliest, if its record has not changed by then."""

    holder: str
    expires_at: float


def look(lease: Body | None, seen: Seen | None, now: float) -> Seen | None:
    """What has been seen after reading `lease`."""
    if lease is None:
        return None
    version = str(lease["metadata"]["resourceVersion"])
    return seen if seen is not None and seen.version == version else Seen(version, now)


def judge(lease: Body | None, seen: Seen | None, now: float, *, me: str, duration_s: float) -> Take | Wait:
    """`seen` is what `look` gave for the same `lease`."""
    if lease is None or seen is None:
        return Take()
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    if holder in {"", me}:
        return Take()
    # What its holder promised counts, if that is longer than what we would.
    expires_at = seen.at + max(duration_s, float(spec.get("leaseDurationSeconds") or 0))
    return Take() if now >= expires_at else Wait(holder, expires_at)


def record(lease: Body | None, *, namespace: str, name: str, me: str, duration_s: float, now_rfc3339: str) -> Body:
    """The Lease to write so that `me` holds it: the one that was read, with its version, or a new one."""
    spec = dict((lease or {}).get("spec") or {})
    if spec.get("holderIdentity") != me:
        spec["acquireTime"] = now_rfc3339
        spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (lease is not None)
    spec |= {"holderIdentity": me, "leaseDurationSeconds": int(duration_s), "renewTime": now_rfc3339}
    return _lease(lease, namespace, name) | {"spec": spec}


def released(lease: Body, *, now_rfc3339: str) -> Body:
    """The Lease to write so that anybody may take it at once."""
    metadata = lease["metadata"]
    spec = dict(lease["spec"]) | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now_rfc3339}
    return _lease(lease, metadata["namespace"], metadata["name"]) | {"spec": spec}


def _lease(lease: Body | None, namespace: str, name: str) -> Body:
    metadata: Body = {"namespace": namespace, "name": name}
    if lease is not None:
        metadata = dict(lease["metadata"])
        metadata.pop("managedFields", None)
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
