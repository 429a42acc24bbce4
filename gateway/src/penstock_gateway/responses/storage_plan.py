"""Decides if a response is stored, and what a disconnect does to it. Pure.

OpenAI stores a response unless the request has `store: false`. Here its route must keep answers
(`spec.streams.keepSeconds`): otherwise, or where the input is too large, the response has `store: false`.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.request.json_body import invalid
from penstock_contract.route.streams import StreamsSpec
from penstock_contract.stream.descriptor import DisconnectPolicy
from penstock_gateway.resume.disconnect_policy import disconnect_policy

AT_ONCE_S: Final = 0.5
"""The grace of a stored response whose disconnect ends it: without a policy its frames would not be kept."""


class StoragePlan(Struct, frozen=True):
    """`policy` is None for a response that ends with its connection, and of which nothing is kept."""

    stored: bool
    policy: DisconnectPolicy | None


def storage_plan(
    request: ResponseRequest, spec: StreamsSpec, headers: Iterable[tuple[bytes, bytes]], *, fits: bool
) -> StoragePlan:
    """The plan of a request; `fits` if its input can be stored. Raises `invalid_request`."""
    policy = disconnect_policy(headers, spec)
    if request.background:
        if not spec.keep_seconds:
            reason = "this model's route keeps no answers (spec.streams.keepSeconds), so none can be read later"
            raise invalid(reason, "background")
        if not fits:
            raise invalid("the input is too large to be stored, which a background response needs", "background")
        return StoragePlan(stored=True, policy=DisconnectPolicy(None, spec.keep_seconds))
    if request.store is False or not spec.keep_seconds or not fits:
        return StoragePlan(stored=False, policy=policy)
    grace_s = AT_ONCE_S if policy is None else policy.grace_s
    return StoragePlan(stored=True, policy=DisconnectPolicy(grace_s, spec.keep_seconds))
