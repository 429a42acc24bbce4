"""One worker: slots, sessions, controls, heartbeats, and the way out.

Shutdown, in order:
    1. Stop pulling; say `draining` in the heartbeat. What still arrives is given back.
    2. Wait for the open streams, at most `shutdown_grace_s`.
    3. Publish the last frames, then close the connection.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import structlog

from penstock_contract import codec, subjects
from penstock_contract.broker.catalogue import CatalogueWatch
from penstock_contract.broker.connection import Connection
from penstock_contract.broker.queue import Delivery, Puller
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.clock import Clock
from penstock_contract.errors import ErrorDetail
from penstock_contract.frames import Attach, Drain, Stop, WorkerHeartbeat
from penstock_contract.requests import InferenceRequest
from penstock_worker import VERSION, targets
from penstock_worker.observation import Observer
from penstock_worker.outbox import Outbox
from penstock_worker.outgoing import OutgoingStream
from penstock_worker.routing import Health
from penstock_worker.session import Session, Target
from penstock_worker.settings import WorkerSettings

HEARTBEAT_S = 1.0
TICK_S = 0.25
GATEWAY_LOST_S = 3.5
ENDED_STREAMS_MAX = 4096
SAID_AGAIN_S = 10.0
"""A gateway asks by itself about a stream that has been silent for this long."""

log = structlog.get_logger("penstock.worker")


class Worker:
    def __init__(
        self,
        settings: WorkerSettings,
        connection: Connection,
        observer: Observer,
        *,
        name: str,
        environ: Mapping[str, str],
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._observer = observer
        self._name = name
        self._environ = environ
        self._clock = clock
        self._draw = draw
        self._route = (settings.namespace, settings.route)
        self._entry: CatalogueEntry | None = None
        self._targets: list[Target] = []
        self._health = Health()
        self._sessions: dict[int, tuple[Session, asyncio.Task[None]]] = {}
        self._ended: OrderedDict[int, tuple[float, OutgoingStream]] = OrderedDict()
        self._gateways: dict[str, float] = {}
        self._draining = False
        self._drain_asked = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._outbox = Outbox(name, connection.publish)
        self._puller = Puller(connection, *self._route, free_slots=self._free_slots, deliver=self._on_delivery)
        self._watch = CatalogueWatch(connection, replace=self._on_catalogue, put=self._on_entry)
        connection.on_connected(self._on_connected)

    async def run(self) -> None:
        """Serve until `drain` is asked for (by control message or caller), then drain."""
        self._connection.listen(subjects.control_all(*self._route), self._on_control)
        self._connection.listen(subjects.control(*self._route, self._name), self._on_control)
        self._connection.listen(subjects.ALL_GATEWAY_HEARTBEATS, self._on_gateway_heartbeat)
        await self._connection.start()
        background: list[Coroutine[Any, Any, None]] = [
            self._outbox.run(),
            self._puller.run(),
            self._heartbeats(),
            self._ticks(),
        ]
        tasks = [asyncio.create_task(work) for work in background]
        log.info("worker.serving", worker=self._name, route=".".join(self._route))
        await self._drain_asked.wait()
        await self._drain()
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._outbox.flush()
        await self._watch.close()
        await self._connection.close()

    def drain(self) -> None:
        self._drain_asked.set()

    async def _drain(self) -> None:
        self._draining = True
        log.info("worker.draining", in_flight=len(self._sessions))
        await self._puller.stop()
        await self._heartbeat()
        open_tasks = [task for _, task in self._sessions.values()]
        if open_tasks:
            await asyncio.wait(open_tasks, timeout=self._settings.shutdown_grace_s)
        left = list(self._sessions.values())
        for session, task in left:
            session.stream.fail(ErrorDetail("worker_lost", "the worker had to stop before the answer was whole"))
            _cancel(task)
        if left:
            await asyncio.wait([task for _, task in left])

    # What the broker says

    async def _on_connected(self) -> None:
        self._puller.reset()
        # What was said while we were away is lost, and the gateways may have asked before we were back: the last word
        # of each stream shows them what they miss.
        for session, _ in self._sessions.values():
            session.stream.repeat_last()
        now = asyncio.get_running_loop().time()
        for ended_at, stream in reversed(self._ended.values()):
            if now - ended_at > SAID_AGAIN_S:
                break
            stream.repeat_last()

    def _on_catalogue(self, entries: dict[str, CatalogueEntry]) -> None:
        self._on_entry(key := subjects.catalogue_key(*self._route), entries.get(key))

    def _on_entry(self, key: str, entry: CatalogueEntry | None) -> None:
        if key != subjects.catalogue_key(*self._route) or (self._entry is not None and entry == self._entry):
            return
        previous, self._entry = self._targets, entry
        self._health = Health()
        self._targets = targets.build(entry.spec, self._environ) if entry is not None else []
        for target in previous:
            target.provider.close()
        log.info("worker.route_changed", route=key, present=entry is not None)
        self._puller.slots_changed()

    def _on_delivery(self, delivery: Delivery) -> None:
        try:
            request = codec.decode_request(delivery.data)
        except msgspec.DecodeError:
            log.warning("worker.request_unreadable")
            self._spawn(delivery.discard())
            return
        if (known := self._sessions.get(request.stream)) is not None:
            # The same request again while we have it: our +WPI was late, or our ack was lost. Ours goes on.
            if not known[0].waiting_for_ack:
                self._spawn(delivery.ack())
            return
        if request.stream in self._ended:
            # Our ack was lost. Served again, it would be paid for again.
            self._spawn(delivery.ack())
            return
        if self._entry is None or self._draining or self._free_slots() <= 0:
            self._spawn(delivery.release())
            return
        session = self._session(request, delivery, self._entry)
        task = asyncio.create_task(self._serve(session))
        self._sessions[request.stream] = (session, task)

    def _session(self, request: InferenceRequest, delivery: Delivery, entry: CatalogueEntry) -> Session:
        stream = OutgoingStream(
            self._outbox,
            self._route,
            request.stream,
            delivery.delivered,
            request.gateway,
            replay_bytes_max=self._settings.replay_bytes_max,
        )
        return Session(
            request,
            delivery,
            stream,
            entry.spec,
            self._targets,
            worker=self._name,
            clock=self._clock,
            draw=self._draw,
            observer=self._observer,
            health=self._health,
        )

    async def _serve(self, session: Session) -> None:
        self._gateways.setdefault(session.request.gateway, asyncio.get_running_loop().time())
        try:
            await session.run()
        finally:
            del self._sessions[session.request.stream]
            self._ended[session.request.stream] = (asyncio.get_running_loop().time(), session.stream)
            if len(self._ended) > ENDED_STREAMS_MAX:
                self._ended.popitem(last=False)
            self._puller.slots_changed()

    def _on_control(self, _subject: str, data: bytes) -> None:
        control = codec.decode_control(data)
        if isinstance(control, Drain):
            self.drain()
        elif isinstance(control, Stop):
            if (open_ := self._sessions.get(control.stream)) is not None:
                _cancel(open_[1])
        else:
            self._attach(control)

    def _attach(self, attach: Attach) -> None:
        if (open_ := self._sessions.get(attach.stream)) is not None:
            stream = open_[0].stream
        elif attach.stream in self._ended:
            stream = self._ended[attach.stream][1]
        else:
            return
        if attach.attempt in {0, stream.attempt}:
            stream.attach(attach.gateway, attach.from_seq)

    def _on_gateway_heartbeat(self, _subject: str, data: bytes) -> None:
        self._gateways[codec.decode_gateway_heartbeat(data).gateway] = asyncio.get_running_loop().time()

    # What time says

    async def _heartbeats(self) -> None:
        while True:
            await self._heartbeat()
            for session, _ in list(self._sessions.values()):
                await session.keep()
            await asyncio.sleep(HEARTBEAT_S)

    async def _heartbeat(self) -> None:
        beat = WorkerHeartbeat(self._name, self._slots(), len(self._sessions), self._draining, VERSION)
        await self._connection.publish(subjects.worker_heartbeat(*self._route, self._name), codec.encode(beat))

    async def _ticks(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            for session, _ in list(self._sessions.values()):
                session.check_time(now)
            self._forget(now)
            if self._connection.connected:
                self._stop_unread(now)
            else:
                # Nobody's heartbeat gets through: that says nothing about the gateways.
                self._gateways = dict.fromkeys(self._gateways, now)

    def _stop_unread(self, now: float) -> None:
        """End the calls of gateways that are gone: nobody reads them, somebody pays for them."""
        lost = {gateway for gateway, at in self._gateways.items() if now - at > GATEWAY_LOST_S}
        if not lost:
            return
        for session, task in list(self._sessions.values()):
            if session.stream.gateway in lost:
                log.warning("worker.gateway_lost", request_id=session.request.id)
                _cancel(task)
        for gateway in lost:
            del self._gateways[gateway]

    def _forget(self, now: float) -> None:
        while self._ended:
            stream, (ended_at, _) = next(iter(self._ended.items()))
            if now - ended_at < self._settings.replay_kept_s:
                return
            del self._ended[stream]

    def _slots(self) -> int:
        return self._entry.spec.scaling.concurrency_per_replica if self._entry is not None else 0

    def _free_slots(self) -> int:
        return 0 if self._draining else self._slots() - len(self._sessions)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _cancel(task: asyncio.Task[None]) -> None:
    """Not at once: a task that is cancelled before its first step never runs, not even its `finally`."""
    asyncio.get_running_loop().call_soon(task.cancel)
