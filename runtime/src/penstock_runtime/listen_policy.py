"""Whom a listener can be reached by, and so whether its callers must show a key."""

import ipaddress
from typing import Literal

Authentication = Literal["required", "off"]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach who listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def keys_required(host: str, chosen: Authentication | None) -> bool:
    """What was chosen; else yes, unless only this machine can reach `host`."""
    return chosen == "required" or (chosen is None and not is_loopback(host))
