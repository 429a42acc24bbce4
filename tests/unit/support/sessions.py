"""A session with fakes around it: its frames, its usage rows, and the acks of its delivery."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from unit.support.fake_provider import Act, FakeCall, FakeProvider, wait
from unit.support.virtual_time import EPOCH, LoopClock

from penstock_broker.queue import Delivery
from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import ChatOperation, InferenceRequest
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.stream.events import Accepted, Event, Failed, Finished, Started, TextDelta, UsageReported
from penstock_contract.stream.frames import Frame
from penstock_contract.usage.record import RowWriteResult, UsageRow, may_replace
from penstock_runtime.telemetry.setup import configure
from penstock_worker.awaited_sockets import AwaitedSockets
from penstock_worker.providers.target import Target
from penstock_worker.sessions.calls.circuit_breaker import CircuitBreaker
from penstock_worker.sessions.context import RouteVersion, WorkerContext
from penstock_worker.sessions.ownership import CONFIRM_LATE_S
from penstock_worker.sessions.reply_stream import ReplyStream
from penstock_worker.sessions.session import Session
from penstock_worker.sessions.usage import RequestUsage
from penstock_worker.telemetry import WorkerTelemetry

PROMPT = "tell me"
BODY = msgspec.json.encode({"model": "asked-for", "messages": [{"role": "user", "content": PROMPT}]})
ACK, TERM, WPI = b"+ACK", b"+TERM", b"+WPI"
ACCEPTED = Accepted("worker-1", 0.0, 1)
STARTED = Started("a")
HI = TextDelta("Hi")
USAGE = UsageReported(3, 1)
STOP = Finished("stop")


class SteppingClock(LoopClock):
    """The time of day is set by `step_s`; the monotonic clock is the event loop's."""

    step_s = 0.0

    def unix(self) -> float:
        return super().unix() + self.step_s


class RecordedFrames:
    """Keeps frames instead of sending them."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, Frame, bool]] = []

    def add(self, subject: str, frame: Frame, *, now: bool = False, deferrable: bool = False) -> None:
        assert not (now and deferrable)
        self.frames.append((subject, frame, now))

    def seal(self) -> None:
        """Frames are kept in the order of their arrival."""

    @property
    def events(self) -> list[Event]:
        return [frame.event for _, frame, _ in self.frames]


class Rows:
    """Keeps usage rows instead of writing them; `stored` is the newest, also of another worker."""

    def __init__(self) -> None:
        self.opened: list[UsageRow] = []
        self.closed: list[UsageRow] = []
        self.stored: UsageRow | None = None
        self.tries = 0
        self.away = False
        self.swallows = False
        """True if a cancelled read fails, as `asyncio.wait_for` of Python 3.11 may swallow a cancellation."""

    async def read_row(self, row: UsageRow) -> UsageRow | None:
        del row
        self.tries += 1
        if self.away:
            with contextlib.suppress(*([asyncio.CancelledError] if self.swallows else [])):
                await asyncio.sleep(CONFIRM_LATE_S)
            raise PenstockError("broker_unavailable", "away")
        return self.stored

    async def write(self, row: UsageRow, *, is_first: bool = False) -> RowWriteResult:
        del is_first  # by compare-and-set the result is the same
        stored = await self.read_row(row)
        if stored is not None and not may_replace(stored, row):
            return RowWriteResult(kept=stored)
        self.stored = row
        self.opened.append(row)
        return RowWriteResult(sequence=len(self.opened))

    def close(self, row: UsageRow, after: int = 0) -> None:
        del after
        self.closed.append(row)

    async def wait_stored(self, row_id: str, timeout_s: float) -> None:
        assert self.closed[-1].id == row_id
        if self.away:
            await asyncio.sleep(timeout_s)


class Broker:
    """Receives the acks of a delivery."""

    def __init__(self) -> None:
        self.settled: list[bytes] = []

    async def publish(self, subject: str, data: bytes) -> None:
        assert subject.startswith("$JS.ACK.")
        self.settled.append(data)


def delivery(broker: Broker, delivered: int = 1) -> Delivery:
    reply = f"$JS.ACK.REQUESTS_default_main.workers.{delivered}.7.7.1700000000000000000.0"
    return Delivery(broker, reply, b"", b"")  # type: ignore[arg-type]


def request(**fields: Any) -> InferenceRequest:
    made = InferenceRequest(
        id="req_1",
        stream=1,
        gateway="gw-1",
        tenant="anonymous",
        model="asked-for",
        published_at=EPOCH,
        timeout_s=600,
        operation=ChatOperation(body=BODY, input_tokens=6),
    )
    return msgspec.structs.replace(made, **fields)


class Stage:
    """A session and its providers `a`, `b`, …, tried in this order unless `providers` has another."""

    def __init__(
        self,
        *acts: tuple[Act, ...],
        providers: list[Mapping[str, Any]] | None = None,
        limits: Mapping[str, Any] | None = None,
        retries: int = 2,
        delivered: int = 1,
        slots: asyncio.Semaphore | None = None,
        draw: float = 0.0,
        spec: Mapping[str, Any] | None = None,
        **request_fields: Any,
    ) -> None:
        names = "abcdef"[: len(acts)]
        fields = providers or [{} for _ in acts]
        route = msgspec.convert(
            {
                "models": [{"name": "asked-for"}],
                "providers": [
                    {"name": name, "type": "OpenAI", "priority": priority, **more}
                    for priority, (name, more) in enumerate(zip(names, fields, strict=True))
                ],
                "limits": limits or {},
                "routing": {"retries": retries},
                **(spec or {}),
            },
            ModelRouteSpec,
        )
        self.loop = asyncio.get_running_loop()
        self.broker = Broker()
        self.rows = Rows()
        self.breaker = CircuitBreaker()
        self.specs = route.providers
        self.batcher = RecordedFrames()
        self.providers = [FakeProvider(*one, clock=self.loop.time) for one in acts]
        telemetry = configure("test", {})
        stream = ReplyStream(
            self.batcher,  # type: ignore[arg-type]
            ("default", "main"),
            1,
            delivered,
            "gw-1",
            replay_bytes_max=1_000_000,
        )
        self.clock = SteppingClock()
        usage = RequestUsage(
            request(**request_fields), "default.main", stream, self.rows, self.clock, worker="worker-1"
        )
        self.session = Session(
            request(**request_fields),
            delivery(self.broker, delivered),
            stream,
            usage,
            RouteVersion(
                route,
                [Target(one, fake, slots) for one, fake in zip(route.providers, self.providers, strict=True)],
                self.breaker,
            ),
            WorkerContext(
                worker="worker-1",
                incarnation=1,
                clock=self.clock,
                draw=lambda: draw,
                telemetry=WorkerTelemetry(telemetry, LoopClock(), "default.main", "REQUESTS_default_main"),
                sockets=AwaitedSockets(),
            ),
        )
        self.task = asyncio.create_task(self.session.run())

    @property
    def events(self) -> list[Event]:
        return self.batcher.events

    @property
    def settled(self) -> list[bytes]:
        return self.broker.settled

    @property
    def elapsed_s(self) -> float:
        return LoopClock().unix() - EPOCH

    async def settle(self) -> None:
        """Runs all due callbacks without a change of the time."""
        for _ in range(20):
            await asyncio.sleep(0)


def answer(call: FakeCall) -> None:
    """An answer of one token."""
    call.emit(HI)
    call.emit(USAGE, STOP)
    call.end()


def error(code: ErrorCode, retry_after_s: float | None = None) -> PenstockError:
    return PenstockError(code, "words", retry_after_s=retry_after_s)


def failed_of(events: Sequence[Event]) -> ErrorDetail:
    """The error with which the calls end."""
    last = events[-1]
    assert isinstance(last, Failed)
    return last.error


async def streaming(**limits: float) -> tuple[Stage, FakeCall]:
    """The calls block in the middle of an answer."""
    stage = Stage((wait,), limits=limits)
    await stage.settle()
    [call] = stage.providers[0].calls
    call.emit(HI)
    await stage.settle()
    return stage, call
