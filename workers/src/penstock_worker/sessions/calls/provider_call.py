"""One call of a session to one provider: passes its events to the reply stream, and keeps how the call ended."""

import asyncio
from collections.abc import Sequence

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import Event, Finished, Started, UsageReported
from penstock_contract.usage.record import NOTHING_UNANSWERED, Unanswered, clamp_usage
from penstock_worker.awaited_sockets import NONE, AwaitedSockets
from penstock_worker.providers.failure.provider_failure import ProviderFailure, StreamField, presented, refused_field
from penstock_worker.providers.provider import CallHandle
from penstock_worker.providers.target import Target
from penstock_worker.sessions.reply_stream import ReplyStream


class ProviderCall:
    """The `CallListener` of one call.

    `show_messages`: the route lets clients read the provider's own messages. `unanswered` is the usage of the calls
    before this one.
    """

    def __init__(
        self,
        stream: ReplyStream,
        target: Target,
        sockets: AwaitedSockets,
        unanswered: Unanswered = NOTHING_UNANSWERED,
        *,
        show_messages: bool = True,
    ) -> None:
        self._stream = stream
        self._redaction = target.redaction
        self._show_messages = show_messages
        self._started = Started(target.spec.name, unanswered.input, unanswered.cost)
        self._handle: CallHandle | None = None
        self._sockets = sockets
        self._awaited = NONE
        """The descriptor on which the first event will arrive; none while no answer is awaited."""
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self.error: ErrorDetail | None = None
        self.reason: str | None = None
        """The kind of failure, one of a few constants for the log."""
        self.provider_status: int | None = None
        """The HTTP status of a provider's error response."""
        self.provider_message: str | None = None
        """The provider's own message, redacted, for the log if the route allows it."""
        self.usage: UsageReported | None = None
        self.finished: Finished | None = None
        self.refused = False
        """The provider answered with an error before any content."""
        self.refused_field: StreamField | None = None
        """The field by which the answer is streamed, if the error is about it."""
        self._released = False
        """The provider's connection may serve another call by now: to abort it would end that call."""

    @property
    def began(self) -> bool:
        """True after the first event."""
        return self.first.done() and not self.first.cancelled() and self.first.exception() is None

    @property
    def active_at(self) -> float | None:
        """Event-loop time of the last part of the answer; None while no answer is being received."""
        if self._handle is None or not self.first.done() or self.done.done():
            return None
        return self._handle.active_at

    def opened(self, handle: CallHandle) -> None:
        """Take the handle of the request that was sent."""
        self._handle = handle
        if not self.first.done():
            self._awaited = handle.descriptor
            self._sockets.add(self._awaited)

    def abort(self) -> None:
        """Close the provider's connection, unless the call has ended."""
        self._stop_awaiting()
        handle, self._handle = self._handle, None
        if handle is not None and not (self._released or self.done.done()):
            handle.abort()

    def finish(self) -> None:
        """End the call without an event: another worker serves the request."""
        if not self.done.done():
            self.done.set_result(None)

    def on_events(self, events: Sequence[Event]) -> None:
        emit = self._stream.emit
        if not self.first.done():
            self._stop_awaiting()
            emit(self._started)
            self.first.set_result(None)
        elif self.first.cancelled():
            # The call timed out or was stopped in this iteration of the loop: `abort` follows.
            return
        if type(events[-1]) is Finished:
            self._end(events)
            return
        for event in events:
            emit(event)

    def on_end(self) -> None:
        # After a whole answer `Finished` has been emitted, and this does nothing.
        self.on_failure(PenstockError("provider_stream_broken", "the provider's answer was empty"))

    def on_failure(self, error: PenstockError, *, refused: bool = False) -> None:
        self._released = True
        self._stop_awaiting()
        if self.done.done() or self.first.cancelled():
            return
        shown = self.record_failure(error)
        if not self.first.done():
            self.refused = refused
            self.first.set_exception(shown)
            return
        self._stream.fail(shown.detail)
        self.done.set_result(None)

    def record_failure(self, error: PenstockError) -> PenstockError:
        """Keep a failure, and return it as the client may see it."""
        self.refused_field = refused_field(error)
        if isinstance(error, ProviderFailure):
            self.reason = error.reason
            self.provider_status = error.status
            self.provider_message = self._redaction().clean(error.provider_message) if error.provider_message else None
        shown = presented(error, self._redaction(), show=self._show_messages)
        self.error = shown.detail
        return shown

    def _stop_awaiting(self) -> None:
        if self._awaited != NONE:
            self._sockets.remove(self._awaited)
            self._awaited = NONE

    def _end(self, events: Sequence[Event]) -> None:
        """The last batch holds `UsageReported`, if the provider counted, then `Finished`."""
        last = list(events)
        if len(last) > 1 and type(last[-2]) is UsageReported:
            self.usage = last[-2] = clamp_usage(last[-2])
        for event in last:
            self._stream.emit(event)
        self.finished = last[-1] if type(last[-1]) is Finished else None
        self.done.set_result(None)
