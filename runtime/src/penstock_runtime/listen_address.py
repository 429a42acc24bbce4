"""The address of a listener: whether it requires API keys, and the socket bound to it before the server is built."""

import ipaddress
import socket
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


def bind(host: str, port: int) -> socket.socket:
    """Raises `OSError` if the address cannot be bound: a taken port is an error at the start. The caller closes it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        # As uvicorn does: a port in TIME_WAIT is free.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
