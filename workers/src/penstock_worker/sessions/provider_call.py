"""One call of a session to one provider: what the provider says goes to the stream, and how it ended is kept here."""

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.route.spec import ProviderSpec
from penstock_contract.stream.events import Event, Finished, Started, UsageReported
from penstock_contract.usage.record import NOTHING_UNANSWERED, Unanswered, clamp_usage
from penstock_worker.providers.failure.classification import ProviderFailure, StreamField, presented, refused_field
from penstock_worker.providers.failure.redaction import Redaction
from penstock_worker.providers.provider import Provider
from penstock_worker.providers.streaming import AnswerForms
from penstock_worker.sessions.reply_stream import OutgoingStream


class Target(Struct, frozen=True):
    """A provider ready to be called; `slots` is its `maxInFlight`, None for no bound.

    `redaction` makes what its messages must not show, with the key that it is called with at that time. `forms` is how
    its models are asked for an answer.
    """

    spec: ProviderSpec
    provider: Provider
    slots: asyncio.Semaphore | None
    redaction: Callable[[], Redaction] = Redaction
    forms: AnswerForms = field(default_factory=AnswerForms)


class Attempt:
    """One call to one provider; the sink of what it says.

    `show` is whether the route lets a client read the provider's own messages. `unanswered` is what the attempts before
    it have used.
    """

    def __init__(
        self,
        stream: OutgoingStream,
        target: Target,
        unanswered: Unanswered = NOTHING_UNANSWERED,
        *,
        show: bool = True,
    ) -> None:
        self._stream = stream
        self._redaction = target.redaction
        self._show = show
        self._started = Started(target.spec.name, unanswered.input, unanswered.cost)
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self.error: ErrorDetail | None = None
        self.reason: str | None = None
        """One of a few constant words about the failure, for the log."""
        self.said: str | None = None
        """The provider's own message, cleaned, for a log that may have it."""
        self.usage: UsageReported | None = None
        self.finished: Finished | None = None
        self.refused = False
        """Whether the provider answered with an error before any content."""
        self.refused_field: StreamField | None = None
        """The field by which the answer is streamed, if the error is about it."""
        self.over = False
        """Whether the provider's connection may serve another call by now: to abort it would end that one."""

    @property
    def began(self) -> bool:
        """Whether the first event was said."""
        return self.first.done() and not self.first.cancelled() and self.first.exception() is None

    def events(self, events: Sequence[Event]) -> None:
        emit = self._stream.emit
        if not self.first.done():
            emit(self._started)
            self.first.set_result(None)
        elif self.first.cancelled():
            # Given up in this very moment (timeout, stop): `abort` follows.
            return
        if type(events[-1]) is Finished:
            self._end(events)
            return
        for event in events:
            emit(event)

    def ended(self) -> None:
        # A whole answer has said `Finished` before.
        self.failed(PenstockError("provider_stream_broken", "the provider's answer was empty"))

    def _end(self, events: Sequence[Event]) -> None:
        """The end comes in a last batch: usage, if the provider counted, then finished."""
        last = list(events)
        if len(last) > 1 and type(last[-2]) is UsageReported:
            self.usage = last[-2] = clamp_usage(last[-2])
        for event in last:
            self._stream.emit(event)
        self.finished = last[-1] if type(last[-1]) is Finished else None
        self.done.set_result(None)

    def failed(self, error: PenstockError, *, refused: bool = False) -> None:
        self.over = True
        if self.done.done() or self.first.cancelled():
            return
        shown = self.keep(error)
        if not self.first.done():
            self.refused = refused
            self.first.set_exception(shown)
            return
        self._stream.fail(shown.detail)
        self.done.set_result(None)

    def keep(self, error: PenstockError) -> PenstockError:
        """Keep a failure, and return it as the client may see it."""
        self.refused_field = refused_field(error)
        if isinstance(error, ProviderFailure):
            self.reason = error.reason
            self.said = self._redaction().clean(error.said) if error.said else None
        shown = presented(error, self._redaction(), show=self._show)
        self.error = shown.detail
        return shown
