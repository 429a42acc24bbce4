"""What a client may take of us on one connection, whatever it asks for."""

from msgspec import Struct


class ConnectionBounds(Struct, frozen=True):
    """Bytes and seconds; `connections_max` is for all clients together."""

    header_bytes_max: int = 64 * 1024
    body_bytes_max: int = 7 * 1024 * 1024
    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    write_timeout_s: float = 30.0
    keep_alive_s: float = 75.0
    keyless_keep_alive_s: float | None = None
    """Of a connection that never showed a valid key; None is as long as any."""
    connections_max: int = 10_000
