"""File descriptors: every connection needs one, and what is usual (1024) is less than the connections allowed."""

import resource

import structlog

RESERVED = 48
"""For the broker, the listeners, log and exporters, and connections that are being refused."""
CONNECTIONS_MIN = 8

log = structlog.get_logger("penstock.gateway")


def raise_limit() -> int:
    """Raise the process's limit to its hard one; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return _number(soft)  # macOS: the hard limit may be above what the kernel gives to one process
    return _number(hard)


def connections_within(wanted: int, limit: int) -> int:
    """How many connections can be open at the same time; fewer than `wanted` are logged."""
    possible = max(limit - RESERVED, CONNECTIONS_MIN)
    if wanted <= possible:
        return wanted
    log.warning(
        "gateway.few_descriptors",
        descriptors=limit,
        connections_max=wanted,
        connections=possible,
        advice="raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower PENSTOCK_CONNECTIONS_MAX",
    )
    return possible


def _number(limit: int) -> int:
    return 1 << 30 if limit == resource.RLIM_INFINITY else limit
