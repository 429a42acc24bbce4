"""What a gateway is told by its environment; everything about routes comes from the catalogue."""

from typing import Annotated

from msgspec import Meta, Struct

from penstock_contract.settings import LogLevel

Positive = Annotated[float, Meta(gt=0, le=86_400)]


class GatewaySettings(Struct, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    nats_url: str = "nats://127.0.0.1:4222"
    log_level: LogLevel = "INFO"
    # For the doors where `model` is optional; unset: the oldest ready route's first model of the type.
    default_chat_model: str | None = None
    default_embedding_model: str | None = None
    # Images travel inside the body; NATS must take the same size (`max_payload`).
    body_bytes_max: Annotated[int, Meta(ge=1024)] = 7 * 1024 * 1024
    # What a client that reads slowly may have waiting; an answer is rarely larger. Beyond it, or after
    # `write_timeout_s` without reading anything, its connection is cut.
    client_buffer_bytes_max: Annotated[int, Meta(ge=65_536)] = 1024 * 1024
    write_timeout_s: Positive = 30.0
    # Proxies cut connections that are silent for 60 s (ALB, nginx): say something before.
    ping_after_s: Positive = 15.0
    # Until then an error is still a real HTTP status; after it the 200 is sent and errors become events.
    commit_after_s: Positive = 45.0
    # Longer than the longest request: a gateway that stops must not cut a stream.
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0
