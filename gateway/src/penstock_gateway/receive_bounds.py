"""What a client may take of us to send one request, before anything is known of it."""

from msgspec import Struct


class ReceiveBounds(Struct, frozen=True):
    """Bytes and seconds; `connections_max` is for all clients together."""

    header_bytes_max: int = 64 * 1024
    body_bytes_max: int = 7 * 1024 * 1024
    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    connections_max: int = 10_000
