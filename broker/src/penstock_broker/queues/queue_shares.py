"""The bytes that each route's queue may hold: an equal share of what the broker has for all queues. Pure.

JetStream reserves a stream's `max_bytes`, so that other streams cannot use it, and refuses a reservation without room:
the shares together fit into the total. Shares are the total divided by a power of two. With exact parts each new route
would change the bound of every other queue.
"""

from typing import Final

MIB: Final = 1024 * 1024
SHARE_MIN: Final = 9 * MIB
"""One request of the largest size, with its headers."""
UNBOUNDED: Final = -1
"""JetStream's `max_bytes` of a stream without a bound."""
OTHER_STORES_MEMORY: Final = 288 * MIB
"""Memory that other streams reserve or use: kept streams 256 MiB, checkpoints and gateways 20 MiB, the catalogue."""


def share(total: int | None, routes: int) -> int:
    """The bound of one of `routes` queues. Unbounded without a total, and where a share would hold no request."""
    if total is None:
        return UNBOUNDED
    parts = 1 << max(0, routes - 1).bit_length()
    size = total // parts
    return size if size >= SHARE_MIN else UNBOUNDED


def of_memory(memory_bytes: int) -> int:
    """Bytes that all queues may reserve of a broker's memory, beside its other stores."""
    return max(memory_bytes - OTHER_STORES_MEMORY, memory_bytes // 4)
