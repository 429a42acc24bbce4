"""Interfaces of one provider call: the provider that opens it, its handle, and the listener of its events.

Everything after `open` happens in callbacks, without a task or a wake-up per token.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.stream.events import Event

AnswerForm = Literal["stream", "stream without options", "whole"]
"""The form in which an answer is requested, see `streaming`."""


class ConnectionStale(PenstockError):  # noqa: N818 - a state of the connection, handled, never shown
    """The server closed a pooled connection before the first byte of the answer. The request is sent again."""

    def __init__(self) -> None:
        super().__init__("provider_unavailable", "the provider closed the connection")


class CallListener(Protocol):
    """Receives the events of one call. Exactly one of `on_end` and `on_failure` is called, last."""

    def on_events(self, events: Sequence[Event]) -> None: ...

    def on_end(self) -> None: ...

    def on_failure(self, error: PenstockError, *, refused: bool = False) -> None:
        """`refused`: the provider returned an error instead of an answer, so it has generated nothing."""


class CallHandle(Protocol):
    """An open call."""

    active_at: float
    """Event-loop time of the last part of the answer; comments and pings do not count."""

    @property
    def descriptor(self) -> int:
        """Of the socket on which the answer arrives; -1 without one."""
        ...

    def abort(self) -> None:
        """End the call; the listener is not called again. Does nothing after the end."""


class Provider(Protocol):
    provider_name: str

    async def open(
        self,
        operation: Operation,
        model: str,
        listener: CallListener,
        *,
        connect_timeout_s: float,
        headers: dict[str, str],
        form: AnswerForm = "stream",
    ) -> CallHandle:
        """Send the request, with additional `headers` (trace context); the answer is requested in `form`.

        Raises `PenstockError` and can be cancelled only before anything is sent: a returned handle was sent.
        """
        ...

    def close(self) -> None:
        """Close the idle connections now, and each other connection at the end of its call."""
