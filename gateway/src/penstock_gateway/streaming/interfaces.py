"""Who hears of each piece of a stream: the client it is written to, and the purse that pays for it."""

from collections.abc import Callable
from typing import Protocol

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import UsageReported
from penstock_contract.usage.record import NOTHING_UNANSWERED, Unanswered


class Writer(Protocol):
    """Where a stream's bytes go."""

    def write(self, data: bytes) -> bool:
        """False when the client has too much unread: nothing was written."""
        ...

    @property
    def taken(self) -> int | None:
        """Bytes that the client has taken, so far as that can be seen; None when none wait for it."""
        ...


class Charges(Protocol):
    """Hears what a stream uses, per piece; must not block. It may end the stream by `fail`, in that very call."""

    fail: Callable[[ErrorDetail], None] | None

    def started(self, provider: str, unanswered: Unanswered = NOTHING_UNANSWERED) -> None: ...

    def said(self, length: int) -> None: ...

    def counted(self, usage: UsageReported) -> None: ...
