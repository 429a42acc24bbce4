"""Chooses what a disconnect does to a stream: by its route, or by a header of its request. Pure."""

import math
import re
from collections.abc import Iterable
from typing import Final

from penstock_contract.errors import PenstockError
from penstock_contract.route.streams import StreamsSpec
from penstock_contract.stream.descriptor import DisconnectPolicy

HEADER: Final = b"x-penstock-on-disconnect"
GRACE: Final = re.compile(r"grace(?:\s*=\s*(\d{1,6}(?:\.\d{1,3})?))?")
FORMS: Final = "write cancel, grace, grace=SECONDS or detach"


def disconnect_policy(headers: Iterable[tuple[bytes, bytes]], spec: StreamsSpec) -> DisconnectPolicy | None:
    """The policy of a request with these headers, None to cancel. Raises `invalid_request`.

    A policy that the route does not allow is refused and not replaced: its client would rely on it.
    """
    values = [value for name, value in headers if name == HEADER]
    if not values:
        return _of_route(spec)
    if len(values) > 1:
        raise _invalid("it was sent more than once")
    value = values[0].decode("latin-1").strip().lower()
    if value == "cancel":
        return None
    if value == "detach":
        if not spec.keep_seconds:
            raise _invalid("this model's route keeps no answers, so detach is not allowed; use grace or cancel")
        return DisconnectPolicy(None, spec.keep_seconds)
    grace = GRACE.fullmatch(value)
    if grace is None:
        raise _invalid(FORMS)
    if grace[1] is None:
        # `grace` without seconds selects the route's maximum, for clients without the route's settings.
        return DisconnectPolicy(spec.grace_seconds, spec.keep_seconds) if spec.grace_seconds else None
    grace_s = float(grace[1])
    if grace_s > spec.grace_seconds:
        raise _invalid(f"this model's route allows a grace of at most {spec.grace_seconds:g} s")
    return DisconnectPolicy(grace_s, spec.keep_seconds)


def _of_route(spec: StreamsSpec) -> DisconnectPolicy | None:
    if spec.on_disconnect == "Cancel":
        return None
    grace_s = spec.grace_seconds if spec.on_disconnect == "Grace" else None
    assert grace_s is None or math.isfinite(grace_s)
    return DisconnectPolicy(grace_s, spec.keep_seconds)


def _invalid(reason: str) -> PenstockError:
    header = HEADER.decode()
    return PenstockError("invalid_request", f"{header}: {reason}", param=header)
