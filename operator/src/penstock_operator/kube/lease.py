"""Decides about a Lease that was just read: take it, or wait. Pure; `election` reads and writes it.

The clock of another machine is not used: a holder is alive while its record changes, by the clock of this process.
"""

from typing import Any

from msgspec import Struct

from penstock_operator.kube.resources import LEASES, Body


class LeaseTerms(Struct, frozen=True, kw_only=True):
    """Name and timing of the Lease: a leader renews it every `retry_s`, and stops after `renew_deadline_s` without."""

    namespace: str
    name: str
    duration_s: float
    renew_deadline_s: float
    retry_s: float


class Seen(Struct, frozen=True):
    """A version of the record, and when this process first read it."""

    version: str
    at: float


class Take(Struct, frozen=True):
    """The lease is free, expired, or already held by this process: write it with this process's identity."""


class Wait(Struct, frozen=True):
    """Another process leads. The lease expires at `expires_at` if its record does not change before."""

    holder: str
    expires_at: float


def look(lease: Body | None, seen: Seen | None, now: float) -> Seen | None:
    """The version seen after reading `lease`."""
    if lease is None:
        return None
    version = str(lease["metadata"]["resourceVersion"])
    return seen if seen is not None and seen.version == version else Seen(version, now)


def evaluate(lease: Body | None, seen: Seen | None, now: float, *, me: str, duration_s: float) -> Take | Wait:
    """`seen` is the result of `look` for the same `lease`."""
    if lease is None or seen is None:
        return Take()
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    if holder in {"", me}:
        return Take()
    # The longer of the holder's duration and ours.
    expires_at = seen.at + max(duration_s, float(spec.get("leaseDurationSeconds") or 0))
    return Take() if now >= expires_at else Wait(holder, expires_at)


def record(lease: Body | None, terms: LeaseTerms, *, me: str, now_rfc3339: str) -> Body:
    """The Lease to write so that `me` holds it: the one that was read, with its version, or a new one."""
    spec = dict((lease or {}).get("spec") or {})
    if spec.get("holderIdentity") != me:
        spec["acquireTime"] = now_rfc3339
        spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (lease is not None)
    spec |= {"holderIdentity": me, "leaseDurationSeconds": int(terms.duration_s), "renewTime": now_rfc3339}
    return _lease(lease, terms.namespace, terms.name) | {"spec": spec}


def released(lease: Body, *, now_rfc3339: str) -> Body:
    """The Lease to write so that any process can take it at once."""
    metadata = lease["metadata"]
    spec = dict(lease["spec"]) | {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now_rfc3339}
    return _lease(lease, metadata["namespace"], metadata["name"]) | {"spec": spec}


def _lease(lease: Body | None, namespace: str, name: str) -> Body:
    metadata: dict[str, Any] = {"namespace": namespace, "name": name}
    if lease is not None:
        metadata = dict(lease["metadata"])
        metadata.pop("managedFields", None)
    return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata}
