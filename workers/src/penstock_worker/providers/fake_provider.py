"""A `Provider` that does what a test tells it; shipped beside the protocol that it fakes (`calls`)."""

from collections.abc import Callable

from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.stream.events import Event
from penstock_worker.providers.provider import AnswerForm, Sink


class FakeCall:
    """A call in the test's hands: what was asked, and the pen for the answer."""

    def __init__(
        self,
        operation: Operation,
        model: str,
        sink: Sink,
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
        self.aborted = False
        self._sink = sink

    def abort(self) -> None:
        self.aborted = True

    def say(self, *events: Event) -> None:
        """What came with one read; nobody hears an aborted call."""
        if not self.aborted:
            self._sink.events(events)

    def end(self) -> None:
        if not self.aborted:
            self._sink.ended()

    def fail(self, error: PenstockError, *, refused: bool = False) -> None:
        if not self.aborted:
            self._sink.failed(error, refused=refused)


Act = Callable[[FakeCall], None] | PenstockError
"""What happens to a call: it is refused with this error, or this is done as soon as it is open."""


def wait(call: FakeCall) -> None:
    """Say nothing: the test says it later."""
    del call


class FakeProvider:
    """Plays one act per call, the last one again and again; `clock` gives event-loop time."""

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
        sink: Sink,
        *,
        connect_timeout_s: float,
        headers: dict[str, str],
        form: AnswerForm = "stream",
    ) -> FakeCall:
        self.opened_at.append(self._clock())
        act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
        if isinstance(act, PenstockError):
            raise act
        call = FakeCall(operation, model, sink, connect_timeout_s, headers, form, self._clock())
        self.calls.append(call)
        act(call)
        return call

    def close(self) -> None:
        self.closed = True
