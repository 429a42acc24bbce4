"""The interface of a provider's adapter: a request out, events in. Pure."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from penstock_contract.request.operations import Operation
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.stream.events import Event


class HttpRequest(Struct, frozen=True):
    """A POST; `path` is joined to the provider's base URL."""

    path: str
    headers: dict[str, str]
    body: bytes


def authorization(spec: ProviderSpec, key: str | None) -> dict[str, str]:
    """The header with the provider's key: the route's choice, else the dialect's; `authorization` takes Bearer."""
    if not key:
        return {}
    name = spec.header_of_key
    return {name: f"Bearer {key}" if name == "authorization" else key}


class ResponseParser(Protocol):
    """Turns the body of one successful response into events. Pure: no IO, no clock."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """Events that `data` completes. Raises `PenstockError` for an error of the provider or an unreadable body."""
        ...

    def piece_of_chunk(self, data: bytes) -> Event | None:
        """The event of `data`, which is one chunk with one piece of text, in its wire form (RFC 9112 §7.1).

        None for any other bytes: nothing was read then, and `feed` has to read the chunk's content.
        """
        ...

    def end(self) -> Sequence[Event]:
        """The remaining events at the end of the body. Raises `PenstockError` if the answer is not whole."""
        ...

    @property
    def progress(self) -> int:
        """Grows with each part of the answer that made no event yet: a finish, a count, the start of a block."""
        ...

    @property
    def complete(self) -> bool:
        """True after `Finished` was returned: later bytes are ignored."""
        ...


class Adapter(Protocol):
    provider_name: str
    """OpenTelemetry's `gen_ai.provider.name`."""

    default_base_url: str

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        """Raises `unsupported_by_provider` for a field that this dialect lacks."""
        ...

    def parser(self, operation: Operation) -> ResponseParser: ...
