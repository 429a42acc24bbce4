"""Decides whether a listener's address requires API keys."""

import ipaddress
from typing import Literal

Authentication = Literal["required", "off"]


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def keys_required(host: str, chosen: Authentication | None) -> bool:
    """The configured value; by default True unless `host` is loopback."""
    return chosen == "required" or (chosen is None and not is_loopback(host))
