"""The two sides of one provider call: who makes it, and who hears what comes back.

Everything after `open` happens in callbacks, with no task and no wake-up per token.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.stream.events import Event

AnswerForm = Literal["stream", "stream without options", "whole"]
"""How the answer is asked for, see `streaming`."""


class ConnectionStale(PenstockError):  # noqa: N818 - a state of the connection, handled, never shown
    """A pooled connection died before it gave a byte of the answer: the server had closed it. Send it again."""

    def __init__(self) -> None:
        super().__init__("provider_unavailable", "the provider closed the connection")


class Sink(Protocol):
    """Hears one call. `ended` and `failed` are last words; exactly one of them comes."""

    def events(self, events: Sequence[Event]) -> None: ...

    def ended(self) -> None: ...

    def failed(self, error: PenstockError, *, refused: bool = False) -> None:
        """`refused`: the provider answered with an error instead of an answer, and so has generated nothing."""


class Call(Protocol):
    """A call under way."""

    active_at: float
    """Event-loop time of the last part of the answer; comments and pings are none."""

    def abort(self) -> None:
        """End the call now; the sink hears nothing more. Does nothing after the end."""


class Provider(Protocol):
    provider_name: str

    async def open(
        self,
        operation: Operation,
        model: str,
        sink: Sink,
        *,
        connect_timeout_s: float,
        headers: dict[str, str],
        form: AnswerForm = "stream",
    ) -> Call:
        """Send the request. `headers` are added (trace context); the answer is asked for in `form`.

        Raises `PenstockError`, and may be cancelled, only while nothing has been sent: what it returns was sent.
        """
        ...

    def close(self) -> None:
        """Nobody new will call: close idle connections, and each other one when its call is over."""
