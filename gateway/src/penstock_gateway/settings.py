"""Settings of a gateway process, from its environment. Routes come from the catalogue."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from penstock_contract.limits.api_keys import KEY_LENGTH, PREFIX
from penstock_gateway.http import cors_origins
from penstock_gateway.server.body_memory import bound_within
from penstock_gateway.server.connection_limits import ConnectionLimits
from penstock_runtime.listen_address import Authentication, is_loopback, keys_required
from penstock_runtime.memory.limit import machine_memory, memory_limit
from penstock_runtime.settings import InvalidSettings, LogLevel

Positive = Annotated[float, Meta(gt=0, le=86_400)]
ADMIN_TOKEN_LENGTH_MIN = 32
FirstKeySecret = Annotated[str, Meta(pattern=rf"^{PREFIX}[A-Za-z0-9]{{{KEY_LENGTH - len(PREFIX)}}}\Z")]
AdminToken = Annotated[str, Meta(pattern=rf"^[\x21-\x7e]{{{ADMIN_TOKEN_LENGTH_MIN},512}}\Z")]
KeyHeader = Literal["authorization", "x-api-key", "api-key"]
KEY_HEADERS: tuple[KeyHeader, ...] = get_args(KeyHeader)


class GatewaySettings(Struct, frozen=True, kw_only=True):
    """The gateway's environment variables; docs/reference/settings.md is made from the fields."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    """Port to listen on; 0 takes any free one."""
    listen_descriptor: Annotated[int, Meta(ge=3, le=1_048_576)] | None = None
    """An inherited socket that listens already; `PENSTOCK_HOST` and `PENSTOCK_PORT` then bind nothing."""
    nats_url: str = "nats://127.0.0.1:4222"
    """Address of NATS; several of one cluster with commas."""
    nats_credentials: str | None = None
    """File with the gateway's NATS credentials, read at every connect. Not set: none."""
    log_level: LogLevel = "INFO"
    """The least severe lines that are logged."""
    authentication: Authentication | None = None
    """Whether an API key is required. Not set: unless `PENSTOCK_HOST` is loopback (docs/security.md#keys)."""
    first_key: FirstKeySecret | None = None
    """The installation's first API key, `sk-penstock-` and 44 letters and digits. Added unless the store has ever had
    it."""
    # A listener of its own: the admin API and the API may be reachable from different networks.
    admin_host: str = "127.0.0.1"
    """Address of the admin API."""
    admin_port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    """Port of the admin API, which also serves `/metrics` without a key. Not set: no admin API."""
    admin_token: AdminToken | None = None
    """Bearer token of the admin API; required with `PENSTOCK_ADMIN_PORT`."""
    cors_origins: str = ""
    """Origins whose pages may use the API from a browser: at most 64, comma-separated (docs/security.md#the-edge)."""
    # The page is public and has no data; its requests need a key like those of any client.
    playground: bool = False
    """Serve the playground (docs/how-to/playground.md), a page to try models with, at `/`. `penstock dev` sets it."""
    # Behind a proxy that puts a token of its own into `Authorization` (an identity-aware one), leave that header out.
    key_headers: str = ", ".join(KEY_HEADERS)
    """Headers in which a request may carry its key. Behind a proxy that sets `Authorization`: `x-api-key, api-key`."""
    without_limits: Literal["refuse", "admit"] = "refuse"
    """Behaviour while limits cannot be checked (docs/operations/usage.md#when-the-broker-is-away): 503, or admit
    without limit."""
    default_chat_model: str | None = None
    """Model of chat requests without `model`. Not set: the oldest ready route's first chat model."""
    default_embedding_model: str | None = None
    """Model of embeddings requests without `model`. Not set: as for chat."""
    # Images travel inside the body.
    body_bytes_max: Annotated[int, Meta(ge=1024)] = 7 * 1024 * 1024
    """A longer body is a 413. NATS's `max_payload` must be larger."""
    header_bytes_max: Annotated[int, Meta(ge=1024, le=1_048_576)] = 64 * 1024
    """A longer request line and headers, together, are a 431."""
    header_timeout_s: Positive = 10.0
    """Time for the headers to arrive, else a 408. A connection that sends nothing is closed."""
    body_timeout_s: Positive = 60.0
    """Time for the body to arrive after the headers, else a 408."""
    # Longer than a load balancer keeps its idle connections (60 s: ALB, nginx), else it sends a request into our close.
    keep_alive_s: Positive = 75.0
    """An idle connection is closed after this time. Must exceed the proxy's own (docs/how-to/proxies.md)."""
    # A connection without a valid key may be of any client, and is the first to close when all connections are taken.
    keyless_keep_alive_s: Positive = 10.0
    """The same for a connection that has carried no valid key, where keys are required."""
    # Each connection costs memory and a file descriptor.
    connections_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Open connections. One more closes the longest idle connection without a key, or is a 503."""
    # Counted while bodies are read, until their responses have ended.
    bodies_bytes_max: Annotated[int, Meta(ge=1024)] | None = None
    """Bytes of all open requests' bodies; one more is a 503. Not set: from the memory limit
    (docs/operations/cluster.md#sizing)."""
    # An answer is rarely larger. Two events that are larger than this by themselves may be pending in addition.
    client_buffer_bytes_max: Annotated[int, Meta(ge=65_536)] = 1024 * 1024
    """Pending output of a client that reads slowly; above it the connection is closed."""
    # On Linux the kernel's send queue counts as unread; the client's own receive buffer counts as read.
    write_timeout_s: Positive = 30.0
    """Close a connection whose client has read no byte for this time; after the answer's end, at most twice it."""
    # A character or a byte of a vector counts as 1 byte, each chunk as 64 more. 2048 vectors of 3072 numbers are 25 MB.
    answer_bytes_max: Annotated[int, Meta(ge=65_536)] = 32 * 1024 * 1024
    """Approximate size of a non-streamed answer; a larger one is a 502 and its call ends."""
    # Proxies close connections that are silent for 60 s (ALB, nginx), some after 30 s.
    ping_after_s: Positive = 15.0
    """Silence after which a committed stream gets an SSE comment."""
    commit_after_s: Positive = 45.0
    """Until then errors are HTTP statuses; then the 200 is sent. Below each proxy's idle time
    (docs/how-to/proxies.md)."""
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0
    """Time for open streams to end after SIGTERM; longer than the longest request, so that none is cut."""

    @property
    def keys_required(self) -> bool:
        return keys_required(self.host, self.authentication)

    @property
    def for_this_machine_only(self) -> bool:
        """True if requests need no key only because of the loopback address; pages of a local browser can reach it."""
        return self.authentication is None and is_loopback(self.host)

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
        models = {"Chat": self.default_chat_model, "Embedding": self.default_embedding_model}
        return {type_: name for type_, name in models.items() if name is not None}

    @property
    def bodies_bound(self) -> int:
        """Bytes of request bodies that the process may hold at once."""
        if self.bodies_bytes_max is not None:
            return max(self.bodies_bytes_max, self.body_bytes_max)
        return bound_within(memory_limit() or machine_memory(), self.body_bytes_max)

    @property
    def origins(self) -> frozenset[str]:
        """In lower case, as browsers send them."""
        return cors_origins.parse(self.cors_origins)

    @property
    def headers_of_keys(self) -> frozenset[bytes]:
        """In lower case."""
        return frozenset(name.strip().lower().encode() for name in self.key_headers.split(",")) - {b""}

    def check(self) -> None:
        """Check rules that span several fields. Raises `InvalidSettings`."""
        if self.admin_port is not None and self.admin_token is None:
            raise InvalidSettings("PENSTOCK_ADMIN_TOKEN is not set, but PENSTOCK_ADMIN_PORT is")
        try:
            cors_origins.parse(self.cors_origins)
        except ValueError as error:
            raise InvalidSettings(f"PENSTOCK_CORS_ORIGINS: {error}") from error
        named = self.headers_of_keys
        unknown = sorted(name.decode() for name in named - {name.encode() for name in KEY_HEADERS})
        if unknown or not named:
            what = f"{unknown[0][:100]!r} is not one of" if unknown else "names no header; write one or more of"
            raise InvalidSettings(f"PENSTOCK_KEY_HEADERS: {what} {', '.join(KEY_HEADERS)}")
