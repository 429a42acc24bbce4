"""What a gateway is told by its environment; everything about routes comes from the catalogue."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from penstock_contract.limits.keys import KEY_LENGTH, PREFIX
from penstock_gateway.http import origins
from penstock_gateway.server.connection_limits import ConnectionBounds
from penstock_runtime.listen_policy import Authentication, keys_required, loopback
from penstock_runtime.settings import InvalidSettings, LogLevel

Positive = Annotated[float, Meta(gt=0, le=86_400)]
ADMIN_TOKEN_LENGTH_MIN = 32
FirstKeySecret = Annotated[str, Meta(pattern=rf"^{PREFIX}[A-Za-z0-9]{{{KEY_LENGTH - len(PREFIX)}}}\Z")]
AdminToken = Annotated[str, Meta(pattern=rf"^[\x21-\x7e]{{{ADMIN_TOKEN_LENGTH_MIN},512}}\Z")]
KeyHeader = Literal["authorization", "x-api-key", "api-key"]
KEY_HEADERS: tuple[KeyHeader, ...] = get_args(KeyHeader)


class GatewaySettings(Struct, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    # A socket that listens already, inherited from the process that started us; unset: `host` and `port` are bound.
    listen_descriptor: Annotated[int, Meta(ge=3, le=1_048_576)] | None = None
    nats_url: str = "nats://127.0.0.1:4222"
    # A file with our NATS credentials, read at every connect; unset: none.
    nats_credentials: str | None = None
    log_level: LogLevel = "INFO"
    # Whether an API key is asked for; unset: unless only this machine can reach us.
    authentication: Authentication | None = None
    # The key that an installation begins with; put into the store unless it was ever there.
    first_key: FirstKeySecret | None = None
    # Where keys are managed; unset: nowhere. Beside the API, so that the two can be reachable for different people.
    admin_host: str = "127.0.0.1"
    admin_port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    admin_token: AdminToken | None = None
    # Pages of these origins may use the API from a browser, separated by commas; unset: of none.
    cors_origins: str = ""
    # Where a request may show its key, separated by commas. Behind a proxy that puts a token of its own into
    # `Authorization` (an identity-aware one), leave that out: it is then not looked at.
    key_headers: str = ", ".join(KEY_HEADERS)
    # What happens to a request whose limits cannot be looked up, as the broker does not answer: once what was leased is
    # spent, a 503 or no limit.
    without_limits: Literal["refuse", "admit"] = "refuse"
    # For the doors where `model` is optional; unset: the oldest ready route's first model of the type.
    default_chat_model: str | None = None
    default_embedding_model: str | None = None
    # Images travel inside the body; NATS must take the same size (`max_payload`).
    body_bytes_max: Annotated[int, Meta(ge=1024)] = 7 * 1024 * 1024
    # A request's line and headers, together.
    header_bytes_max: Annotated[int, Meta(ge=1024, le=1_048_576)] = 64 * 1024
    # A client that takes longer to send its headers, or then its body, keeps a connection from others.
    header_timeout_s: Positive = 10.0
    body_timeout_s: Positive = 60.0
    # Longer than a load balancer keeps its idle connections (60 s: ALB, nginx), else it sends a request into our close.
    keep_alive_s: Positive = 75.0
    # Of a connection that never showed a valid key: it may belong to anybody, and is the first to be closed when all
    # connections are taken.
    keyless_keep_alive_s: Positive = 10.0
    # Open at the same time; each costs memory and a file descriptor.
    connections_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    # What a client that reads slowly may have waiting; an answer is rarely larger. Beyond it, or after
    # `write_timeout_s` without reading anything, its connection is cut.
    client_buffer_bytes_max: Annotated[int, Meta(ge=65_536)] = 1024 * 1024
    write_timeout_s: Positive = 30.0
    # What is kept of an answer that is not streamed; 2048 vectors of 3072 numbers are 25 MB.
    answer_bytes_max: Annotated[int, Meta(ge=65_536)] = 32 * 1024 * 1024
    # Proxies cut connections that are silent for 60 s (ALB, nginx): say something before.
    ping_after_s: Positive = 15.0
    # Until then an error is still a real HTTP status; after it the 200 is sent and errors become events.
    commit_after_s: Positive = 45.0
    # Longer than the longest request: a gateway that stops must not cut a stream.
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0

    @property
    def keys_required(self) -> bool:
        return keys_required(self.host, self.authentication)

    @property
    def for_this_machine_only(self) -> bool:
        """Nobody asks for a key as nobody else can reach us: a page in a browser on this machine could."""
        return self.authentication is None and loopback(self.host)

    @property
    def bounds(self) -> ConnectionBounds:
        return ConnectionBounds(
            header_bytes_max=self.header_bytes_max,
            body_bytes_max=self.body_bytes_max,
            header_timeout_s=self.header_timeout_s,
            body_timeout_s=self.body_timeout_s,
            write_timeout_s=self.write_timeout_s,
            keep_alive_s=self.keep_alive_s,
            keyless_keep_alive_s=min(self.keyless_keep_alive_s, self.keep_alive_s) if self.keys_required else None,
            connections_max=self.connections_max,
        )

    @property
    def origins(self) -> frozenset[str]:
        """In lower case, as browsers send them."""
        return origins.parse(self.cors_origins)

    @property
    def headers_of_keys(self) -> frozenset[bytes]:
        """In lower case."""
        return frozenset(name.strip().lower().encode() for name in self.key_headers.split(",")) - {b""}

    def check(self) -> None:
        """What the fields cannot say by themselves. Raises `InvalidSettings`."""
        if self.admin_port is not None and self.admin_token is None:
            raise InvalidSettings("PENSTOCK_ADMIN_TOKEN is not set, but PENSTOCK_ADMIN_PORT is")
        try:
            origins.parse(self.cors_origins)
        except ValueError as error:
            raise InvalidSettings(f"PENSTOCK_CORS_ORIGINS: {error}") from error
        named = self.headers_of_keys
        unknown = sorted(name.decode() for name in named - {name.encode() for name in KEY_HEADERS})
        if unknown or not named:
            what = f"{unknown[0][:100]!r} is not one of" if unknown else "names no header; write one or more of"
            raise InvalidSettings(f"PENSTOCK_KEY_HEADERS: {what} {', '.join(KEY_HEADERS)}")
