"""One worker: slots, sessions, controls, heartbeats, and the way out.

Told to `Drain` it stops pulling, finishes its streams and stays, idle and not ready, until it is ended or told to
`Resume`. Shutdown, on SIGTERM, in order:
    1. Stop pulling; say `draining` in the heartbeat. What still arrives is given back.
    2. Wait for the open streams, at most `shutdown_grace_s`.
    3. Publish the last frames, then close the connection.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import structlog

from penstock_broker.connection import Connection
from penstock_broker.keepalive import Keepalive
from penstock_broker.queue import Delivery, Puller
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_broker.stores.usage import UsageWriter
from penstock_contract import codec, subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import InferenceRequest
from penstock_contract.stream.frames import Attach, Batch, Drain, Probe, Resume, Stop, WorkerHeartbeat
from penstock_contract.usage.record import GATEWAY_LOST, Checkpoint
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.clock import Clock
from penstock_runtime.peer_table import HEARTBEAT_S
from penstock_worker import VERSION
from penstock_worker.gateway_liveness import Gateways
from penstock_worker.sessions.frame_batcher import BROKEN, Outbox
from penstock_worker.sessions.provider_call import Target
from penstock_worker.sessions.registry import SessionTable
from penstock_worker.sessions.reply_stream import OutgoingStream
from penstock_worker.sessions.routing import Health
from penstock_worker.sessions.session import Session
from penstock_worker.sessions.usage import RequestUsage, between_checkpoints_s
from penstock_worker.settings import WorkerSettings
from penstock_worker.telemetry import Observer
from penstock_worker.upstream import provider_factory
from penstock_worker.upstream.provider_key import ProviderKeys

TICK_S = 0.25
PROBE_TIMEOUT_S = 1.0
"""A silent gateway is probed again after this long."""
USAGE_DRAIN_S = 5.0

log = structlog.get_logger("penstock.worker")


class Worker:
    """`incarnation` is this process's own, whatever its name was before: see `WorkerHeartbeat`."""

    def __init__(
        self,
        settings: WorkerSettings,
        connection: Connection,
        observer: Observer,
        *,
        name: str,
        incarnation: int,
        environ: Mapping[str, str],
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._observer = observer
        self._name = name
        self._incarnation = incarnation
        self._environ = environ
        self._clock = clock
        self._draw = draw
        self._route = (settings.namespace, settings.route)
        self._entry: CatalogueEntry | None = None
        self._targets: list[Target] = []
        self._health = Health()
        self._keys = ProviderKeys(settings.keys_dir, environ, clock.monotonic)
        self._refused_key: dict[str, int] = {}
        """By provider, the number of the key that it refused."""
        self._sessions = SessionTable(replay_kept_s=settings.replay_kept_s)
        self._keepalive = Keepalive(connection)
        self._gateways = Gateways(self._keepalive.pause_detector)
        self._probed: set[str] = set()
        self._draining = False
        self._stop_asked = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._outbox = Outbox(name, connection.publish, on_broken=self._on_broken)
        self._usage = UsageWriter(connection)
        self._puller = Puller(connection, *self._route, free_slots=self._free_slots, deliver=self._on_delivery)
        self._watch = CatalogueWatch(connection, replace=self._on_catalogue, put=self._on_entry)
        connection.on_connected(self._on_connected)

    async def run(self) -> None:
        """Serve until `stop` is called, then finish what is open."""
        self._connection.listen(subjects.control_all(*self._route), self._on_control)
        self._connection.listen(subjects.control(*self._route, self._name), self._on_control)
        self._connection.listen(subjects.ALL_GATEWAY_HEARTBEATS, self._on_gateway_heartbeat)
        # Not waited for: a worker that finds no broker must still end on SIGTERM.
        await self._connection.start(wait=False)
        background: list[Coroutine[Any, Any, None]] = [
            self._outbox.run(),
            self._usage.run(),
            self._puller.run(),
            self._keepalive.run(),
            self._heartbeats(),
            self._checkpoints(),
            self._ticks(),
        ]
        tasks = [asyncio.create_task(work) for work in background]
        log.info("worker.serving", worker=self._name, route=".".join(self._route))
        await self._stop_asked.wait()
        await self._shut_down()
        await self._usage.drained(USAGE_DRAIN_S)
        await cancel_and_wait(*tasks)
        await self._outbox.flush()
        await self._watch.close()
        await self._connection.close()

    def stop(self) -> None:
        """Begin the shutdown; cannot be undone."""
        self._stop_asked.set()

    def why_not_ready(self) -> str | None:
        """None while this worker may be given requests."""
        if self._draining or self._stop_asked.is_set():
            return "draining"
        if not self._connection.connected:
            return "the message broker is away"
        if self._entry is None:
            return "the route is not in the catalogue"
        return None

    async def _shut_down(self) -> None:
        self._draining = True
        log.info("worker.draining", in_flight=len(self._sessions), stopping=True)
        await self._puller.stop()
        await self._heartbeat()
        if self._sessions:
            await asyncio.wait(self._sessions.tasks, timeout=self._settings.shutdown_grace_s)
        for session in self._sessions:
            session.end(ErrorDetail("worker_lost", "the worker had to stop before the answer was whole"))
            self._sessions.cancel(session)
        if self._sessions:
            await asyncio.wait(self._sessions.tasks)

    # What the broker says

    async def _on_connected(self) -> None:
        now = asyncio.get_running_loop().time()
        self._puller.reset()
        self._gateways.reconnected(now)
        # What was said while we were away is lost, and the gateways may have asked before we were back.
        self._sessions.repeat_last(now)

    def _on_catalogue(self, entries: dict[str, CatalogueEntry]) -> None:
        self._on_entry(key := subjects.catalogue_key(*self._route), entries.get(key))

    def _on_entry(self, key: str, entry: CatalogueEntry | None) -> None:
        if key != subjects.catalogue_key(*self._route) or (self._entry is not None and entry == self._entry):
            return
        previous, self._entry = self._entry, entry
        if entry is None or previous is None or entry.spec.providers != previous.spec.providers:
            # What is open goes on with the providers that it began with, whose connections are closed after that.
            for target in self._targets:
                target.provider.close()
            self._targets = (
                provider_factory.build(entry.spec, self._environ, self._settings.address_rules, self._keys)
                if entry is not None
                else []
            )
            self._health = Health()
            self._refused_key.clear()
        log.info("worker.route_changed", route=key, present=entry is not None)
        self._puller.slots_changed()
        # At once: until a gateway has heard of slots, it asks for more workers.
        self._spawn(self._heartbeat())

    def _on_delivery(self, delivery: Delivery) -> None:
        try:
            request = codec.decode_request(delivery.data)
        except msgspec.DecodeError:
            log.warning("worker.request_unreadable")
            self._spawn(delivery.discard())
            return
        if (known := self._sessions.get(request.stream)) is not None:
            # The same request again while we have it: our +WPI was late, or our ack was lost. Ours goes on.
            if not known.waiting_for_ack:
                self._spawn(_ack_again(delivery))
            return
        if self._sessions.served(request.stream):
            # Our ack was lost. Served again, it would be paid for again.
            self._spawn(_ack_again(delivery))
            return
        if self._entry is None or self._draining or self._free_slots() <= 0:
            self._spawn(delivery.release())
            return
        session = self._session(request, delivery, self._entry)
        self._sessions.add(session, asyncio.create_task(self._serve(session)))

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
            incarnation=self._incarnation,
            clock=self._clock,
            draw=self._draw,
            observer=self._observer,
            health=self._health,
            usage=RequestUsage(request, ".".join(self._route), stream, self._usage, self._clock, worker=self._name),
        )

    async def _serve(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        self._gateways.serve(session.request.gateway, loop.time())
        try:
            await session.run()
        finally:
            self._sessions.ended(session, loop.time())
            self._puller.slots_changed()

    def _on_control(self, _subject: str, data: bytes) -> None:
        control = codec.decode_control(data)
        match control:
            case Stop():
                if (session := self._sessions.get(control.stream)) is not None:
                    self._sessions.stop(session, control.code, control.serves)
            case Attach():
                self._sessions.attach(control)
            case Drain():
                self._drain(draining=True)
            case Resume():
                self._drain(draining=False)
            case Probe():
                self._spawn(self._heartbeat())

    def _drain(self, *, draining: bool) -> None:
        if self._stop_asked.is_set():
            return
        if self._draining != draining:
            self._draining = draining
            log.info("worker.draining" if draining else "worker.resumed", in_flight=len(self._sessions))
            self._puller.slots_changed()
        # Also if nothing changed: whoever says it again has not heard our answer.
        self._spawn(self._heartbeat())

    def _on_gateway_heartbeat(self, _subject: str, data: bytes) -> None:
        self._gateways.heard(codec.decode_gateway_heartbeat(data).gateway, asyncio.get_running_loop().time())

    # What time says

    async def _heartbeats(self) -> None:
        while True:
            self._look_at_refused_keys()
            await self._heartbeat()
            for session in self._sessions:
                await session.keep()
            await asyncio.sleep(HEARTBEAT_S)

    def _look_at_refused_keys(self) -> None:
        """A provider is not known to refuse another key: it is asked as if it had not failed."""
        refusing = self._health.refusing_keys()
        for target in self._targets:
            name, credentials = target.spec.name, getattr(target.provider, "credentials", None)
            if name not in refusing or credentials is None:
                self._refused_key.pop(name, None)
                continue
            credentials.check()
            if self._refused_key.setdefault(name, credentials.number) != credentials.number:
                log.info("worker.key_changed", provider=name)
                self._health.key_changed(target.spec)
                del self._refused_key[name]

    async def _checkpoints(self) -> None:
        """What is to be known of the open requests should this worker die, and their gateway with it."""
        while True:
            await asyncio.sleep(between_checkpoints_s(len(self._sessions)))
            counted = [one for session in self._sessions if (one := session.usage.counted()) is not None]
            if counted:
                await self._usage.checkpoint(*self._route, Checkpoint(self._name, counted))

    async def _heartbeat(self) -> None:
        beat = WorkerHeartbeat(
            self._name,
            self._slots(),
            len(self._sessions),
            self._draining,
            VERSION,
            self._incarnation,
            self._health.refusing_keys(),
        )
        await self._connection.publish(subjects.worker_heartbeat(*self._route, self._name), codec.encode(beat))

    async def _ticks(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            for session in self._sessions:
                session.check_time(now)
            self._sessions.forget(now)
            for gateway in self._gateways.silent(now):
                if gateway not in self._probed:
                    self._probed.add(gateway)
                    self._spawn(self._probe(gateway))
            self._stop_unread(self._gateways.take_lost(now))

    async def _probe(self, gateway: str) -> None:
        """Ask the broker whether the gateway is connected: it alone subscribes to its reply subjects."""
        subject, nothing = subjects.reply(gateway, *self._route), codec.encode(Batch(self._name, []))
        try:
            if await self._connection.has_no_subscriber(subject, nothing, timeout_s=PROBE_TIMEOUT_S):
                self._gateways.disconnected(gateway, asyncio.get_running_loop().time())
        finally:
            self._probed.discard(gateway)

    def _stop_unread(self, lost: list[str]) -> None:
        """End the calls of gateways that are lost: no client gets their answers, and they are paid for."""
        for session in self._sessions if lost else ():
            if session.stream.gateway in lost:
                log.warning("worker.gateway_lost", request_id=session.request.id)
                # It may only have stood still: then it finds this among what waits for it, and tells its client.
                session.end(ErrorDetail("worker_lost", "the worker had heard nothing from the gateway for too long"))
                self._sessions.stop(session, GATEWAY_LOST)

    def _on_broken(self, stream: int, attempt: int) -> None:
        """A frame of this stream cannot be encoded: end its call, as its gateway has been sent the end."""
        session = self._sessions.get(stream)
        if session is not None and session.stream.attempt == attempt:
            session.end(BROKEN)
            self._sessions.stop(session, BROKEN.code)

    def _slots(self) -> int:
        return self._entry.spec.scaling.concurrency_per_replica if self._entry is not None else 0

    def _free_slots(self) -> int:
        return 0 if self._draining else self._slots() - len(self._sessions)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _ack_again(delivery: Delivery) -> None:
    """If that is lost, too, the message comes once more."""
    with contextlib.suppress(PenstockError):
        await delivery.ack()
