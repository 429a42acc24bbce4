"""The interface of a provider's adapter: a request out, events in."""

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


class ResponseParser(Protocol):
    """Turns the body of one successful response into events. Pure: no IO, no clock."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """Events that `data` completes. Raises `PenstockError` when the provider says that it failed, or babbles."""
        ...

    def end(self) -> Sequence[Event]:
        """The body is over. Raises `PenstockError` if that is too early; returns what is still to be said."""
        ...

    @property
    def progress(self) -> int:
        """Grows with what carried a part of the answer and made no event yet: a finish, a count, a block's start."""
        ...

    @property
    def complete(self) -> bool:
        """Whether `Finished` was returned: what follows does not matter."""
        ...


class Adapter(Protocol):
    provider_name: str
    """OpenTelemetry's `gen_ai.provider.name`."""

    default_base_url: str

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        """Raises `unsupported_by_provider` for what this dialect does not have."""
        ...

    def parser(self, operation: Operation) -> ResponseParser: ...
