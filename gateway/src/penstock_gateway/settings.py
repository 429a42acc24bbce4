"""Settings of a gateway process, from its environment. Routes come from the catalogue."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from penstock_contract.limits.keys import KEY_LENGTH, PREFIX
from penstock_gateway.http import origins
from penstock_gateway.server.connection_limits import ConnectionLimits
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
    # An inherited socket that listens already; unset: `host` and `port` are bound.
    listen_descriptor: Annotated[int, Meta(ge=3, le=1_048_576)] | None = None
    nats_url: str = "nats://127.0.0.1:4222"
    # A file with NATS credentials, read at every connect; unset: none.
    nats_credentials: str | None = None
    log_level: LogLevel = "INFO"
    # Require an API key; unset: required unless the gateway listens on loopback only.
    authentication: Authentication | None = None
    # The first key of an installation; stored unless the store ever had it.
    first_key: FirstKeySecret | None = None
    # The listener of the admin API; unset: none. Separate from the API, so that each can have its own network policy.
    admin_host: str = "127.0.0.1"
    admin_port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    admin_token: AdminToken | None = None
    # Origins whose pages may use the API from a browser, separated by commas; unset: none.
    cors_origins: str = ""
    # Headers that may hold the key, separated by commas. Behind a proxy that puts a token of its own into
    # `Authorization` (an identity-aware one), leave that out: it is then not read.
    key_headers: str = ", ".join(KEY_HEADERS)
    # A request whose limits cannot be checked, because the broker does not answer and the lease is spent: reject it
    # with a 503, or admit it without a limit.
    without_limits: Literal["refuse", "admit"] = "refuse"
    # For endpoints where `model` is optional; unset: the first model of that type of the oldest ready route.
    default_chat_model: str | None = None
    default_embedding_model: str | None = None
    # Images travel inside the body; NATS must take the same size (`max_payload`).
    body_bytes_max: Annotated[int, Meta(ge=1024)] = 7 * 1024 * 1024
    # A request's line and headers, together.
    header_bytes_max: Annotated[int, Meta(ge=1024, le=1_048_576)] = 64 * 1024
    # A client that takes longer to send its headers, or then its body, occupies a connection.
    header_timeout_s: Positive = 10.0
    body_timeout_s: Positive = 60.0
    # Longer than a load balancer keeps its idle connections (60 s: ALB, nginx): it could send a request into the close.
    keep_alive_s: Positive = 75.0
    # Of a connection on which no valid key was sent: the first to be closed when the connection limit is reached.
    keyless_keep_alive_s: Positive = 10.0
    # Open at the same time; each costs memory and a file descriptor.
    connections_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    # Bytes that may wait for a slow client; an answer is rarely larger. Above it, or after `write_timeout_s` in which
    # the client reads nothing, its connection is cut.
    client_buffer_bytes_max: Annotated[int, Meta(ge=65_536)] = 1024 * 1024
    write_timeout_s: Positive = 30.0
    # The largest answer that is not streamed; 2048 vectors of 3072 numbers are 25 MB.
    answer_bytes_max: Annotated[int, Meta(ge=65_536)] = 32 * 1024 * 1024
    # Proxies cut connections that are silent for 60 s (ALB, nginx): a keep-alive comment is sent before.
    ping_after_s: Positive = 15.0
    # Until then an error is still a real HTTP status; after it the 200 is sent and errors become events.
    commit_after_s: Positive = 45.0
    # Longer than the longest request, so that a stopping gateway cuts no stream.
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0

    @property
    def keys_required(self) -> bool:
        return keys_required(self.host, self.authentication)

    @property
    def for_this_machine_only(self) -> bool:
        """True if requests need no key only because of the loopback address; pages of a local browser can reach it."""
        return self.authentication is None and loopback(self.host)

    @property
    def connection_limits(self) -> ConnectionLimits:
        return ConnectionLimits(
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
    def default_models(self) -> dict[str, str]:
        """The default model of each type that has one."""
        models: dict[str, str] = {}
        if self.default_chat_model is not None:
            models["Chat"] = self.default_chat_model
        if self.default_embedding_model is not None:
            models["Embedding"] = self.default_embedding_model
        return models

    @property
    def origins(self) -> frozenset[str]:
        """In lower case, as browsers send them."""
        return origins.parse(self.cors_origins)

    @property
    def headers_of_keys(self) -> frozenset[bytes]:
        """In lower case."""
        return frozenset(name.strip().lower().encode() for name in self.key_headers.split(",")) - {b""}

    def check(self) -> None:
        """Check rules that span several fields. Raises `InvalidSettings`."""
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
