"""The bytes and the time that a client has for the head and the body of one request.

Decides nothing about HTTP: `GatewayProtocol` counts what it reads and rejects the request when a limit is exceeded.
"""

import asyncio
from collections.abc import Callable
from enum import Enum

from penstock_contract.errors import ErrorDetail
from penstock_gateway.server.connection_limits import ConnectionLimits

HEADER_OVERHEAD = 4
"""Colon, space and the line's end."""
CHUNKS_OVERHEAD = 4
"""A body may take this many times its size on the wire: chunks of one byte and endless extensions are no use."""
HEADERS_TOO_LARGE = ErrorDetail("headers_too_large", "the request's line and headers are too long")
BODY_TOO_LARGE = ErrorDetail("request_too_large", "the request's body is too large")


class ReceivePhase(Enum):
    IDLE = "idle"
    HEAD = "head"
    BODY = "body"


class ReceiveLimit:
    """The budget of one connection. `on_timeout` is called with the seconds that have passed."""

    __slots__ = ("_body_bytes", "_limits", "_on_timeout", "_parsed_bytes", "_timer", "head_bytes", "loop", "phase")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limits: ConnectionLimits, on_timeout: Callable[[float], None]
    ) -> None:
        self.loop = loop
        self.phase = ReceivePhase.IDLE
        self.head_bytes = 0
        self._body_bytes = 0
        self._parsed_bytes = 0
        self._limits = limits
        self._on_timeout = on_timeout
        self._timer: asyncio.TimerHandle | None = None

    def expect_head(self, timeout_s: float | None = None) -> None:
        self._expect(ReceivePhase.HEAD, self._limits.header_timeout_s if timeout_s is None else timeout_s)

    def expect_body(self) -> None:
        self._expect(ReceivePhase.BODY, self._limits.body_timeout_s)

    def expect_nothing(self) -> None:
        self.phase = ReceivePhase.IDLE
        self.head_bytes = self._body_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def extend(self, timeout_s: float) -> None:
        """Give the same part once more time, because this side has not read."""
        self._timer = self.loop.call_later(timeout_s, self._on_timer, timeout_s)

    def received(self, size: int) -> None:
        """Count bytes before they are parsed: the parser passes a header on only when it has ended."""
        if self.phase is ReceivePhase.HEAD:
            self.head_bytes += size
        else:
            self._body_bytes += size

    def exceeded(self) -> ErrorDetail | None:
        """The error of a part that is larger than it may be."""
        if self.phase is ReceivePhase.HEAD and self.head_bytes > self._limits.header_bytes_max:
            return HEADERS_TOO_LARGE
        if self.phase is ReceivePhase.BODY and self._body_bytes > self._limits.body_bytes_max * CHUNKS_OVERHEAD:
            return BODY_TOO_LARGE
        return None

    def begin_message(self) -> None:
        self._parsed_bytes = 0

    def parsed(self, size: int) -> bool:
        """Count a parsed part of the head; False when the head is too large."""
        self._parsed_bytes += size
        return self._parsed_bytes <= self._limits.header_bytes_max

    def _expect(self, phase: ReceivePhase, timeout_s: float) -> None:
        self.expect_nothing()
        self.phase = phase
        self._timer = self.loop.call_later(timeout_s, self._on_timer, timeout_s)

    def _on_timer(self, timeout_s: float) -> None:
        self._timer = None
        self._on_timeout(timeout_s)
