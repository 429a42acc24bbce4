"""A `Provider` controlled by a test."""

from collections.abc import Callable

from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.stream.events import Event
from penstock_worker.providers.provider import AnswerForm, CallListener


class FakeCall:
    """An open call: its arguments, and methods by which the test sends the answer."""

    def __init__(
        self,
        operation: Operation,
        model: str,
        listener: CallListener,
        connect_timeout_s: float,
        headers: dict[str, str],
        form: AnswerForm,
        now: float,
    ) -> None:
        self.operation = operation
        self.model = model
        self.connect_timeout_s = connect_timeout_s
        self.headers = headers
        self.form = form
        self.active_at = now
        self.descriptor = -1
        self.aborted = False
        self._listener = listener

    def abort(self) -> None:
        self.aborted = True

    def emit(self, *events: Event) -> None:
        """Pass on the events of one read; nothing after an abort."""
        if not self.aborted:
            self._listener.on_events(events)

    def end(self) -> None:
        if not self.aborted:
            self._listener.on_end()

    def fail(self, error: PenstockError, *, refused: bool = False) -> None:
        if not self.aborted:
            self._listener.on_failure(error, refused=refused)


Act = Callable[[FakeCall], None] | PenstockError
"""Behaviour of a call: `open` raises this error, or this function is called with the open call."""


def wait(call: FakeCall) -> None:
    """Send nothing: the test does later."""
    del call


class FakeProvider:
    """Applies one act per call, the last one repeatedly; `clock` returns event-loop time."""

    provider_name = "fake"

    def __init__(self, *acts: Act, clock: Callable[[], float]) -> None:
        self._acts = list(acts) or [wait]
        self._clock = clock
        self.calls: list[FakeCall] = []
        self.opened_at: list[float] = []
        self.closed = False

    async def open(
        self,
        operation: Operation,
        model: str,
        listener: CallListener,
        *,
        connect_timeout_s: float,
        headers: dict[str, str],
        form: AnswerForm = "stream",
    ) -> FakeCall:
        self.opened_at.append(self._clock())
        act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
        if isinstance(act, PenstockError):
            raise act
        call = FakeCall(operation, model, listener, connect_timeout_s, headers, form, self._clock())
        self.calls.append(call)
        act(call)
        return call

    def close(self) -> None:
        self.closed = True
