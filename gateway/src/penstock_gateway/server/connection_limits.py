"""Limits on what one client connection may use, and on the number of connections.

Each connection needs a file descriptor; the usual soft limit (1024) is lower than the number of connections allowed.
"""

import resource

import structlog
from msgspec import Struct

RESERVED = 48
"""Descriptors for the broker, the listeners, log and exporters, and connections that are being rejected."""
CONNECTIONS_MIN = 8

log = structlog.get_logger("penstock.gateway")


class ConnectionLimits(Struct, frozen=True):
    """Bytes and seconds; `connections_max` is for all clients together."""

    header_bytes_max: int = 64 * 1024
    body_bytes_max: int = 7 * 1024 * 1024
    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    write_timeout_s: float = 30.0
    keep_alive_s: float = 75.0
    keyless_keep_alive_s: float | None = None
    """The keep-alive of a connection without a valid key; None means `keep_alive_s`."""
    connections_max: int = 10_000


def raise_descriptor_limit() -> int:
    """Raise the process's descriptor limit to its hard limit; returns the limit that results."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return _number(soft)  # macOS: the hard limit may be above what the kernel gives to one process
    return _number(hard)


def connections_within(wanted: int, descriptors: int) -> int:
    """The number of connections that can be open at the same time; logs when it is less than `wanted`."""
    possible = max(descriptors - RESERVED, CONNECTIONS_MIN)
    if wanted <= possible:
        return wanted
    log.warning(
        "gateway.few_descriptors",
        descriptors=descriptors,
        connections_max=wanted,
        connections=possible,
        advice="raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower PENSTOCK_CONNECTIONS_MAX",
    )
    return possible


def _number(limit: int) -> int:
    return 1 << 30 if limit == resource.RLIM_INFINITY else limit
