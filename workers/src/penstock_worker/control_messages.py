"""Applies control messages: a gateway stops a stream, attaches to one or probes; the operator drains or resumes."""

import asyncio

import structlog

from penstock_contract import codec
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.frames import Attach, Drain, Probe, Resume, Stop
from penstock_worker.gateway_monitor import GatewayMonitor
from penstock_worker.heartbeats import Heartbeats
from penstock_worker.intake import Intake
from penstock_worker.sessions.kept_frames import KeptFrames
from penstock_worker.sessions.registry import SessionRegistry
from penstock_worker.slots import Slots

log = structlog.get_logger("penstock.worker")


class Controls:
    """Subscriber of the worker's two control subjects: its own, and that of all workers of the route."""

    def __init__(
        self,
        sessions: SessionRegistry,
        slots: Slots,
        intake: Intake,
        heartbeats: Heartbeats,
        gateways: GatewayMonitor,
        kept: KeptFrames,
    ) -> None:
        self._kept = kept
        self._gateways = gateways
        self._sessions = sessions
        self._slots = slots
        self._intake = intake
        self._heartbeats = heartbeats

    def on_message(self, _subject: str, data: bytes) -> None:
        control = codec.decode_control(data)
        match control:
            case Stop():
                self._stop(control)
            case Attach():
                now = asyncio.get_running_loop().time()
                # Its gateway may not be the one that began the stream.
                self._gateways.expect(control.gateway, now)
                self._sessions.attach(control)
            case Drain():
                self._drain(draining=True)
            case Resume():
                self._drain(draining=False)
            case Probe():
                self._heartbeats.publish_soon()

    def _stop(self, stop: Stop) -> None:
        stopped = stop.code == "stopped"
        if stopped:
            # Also of a stream that has ended: its last frames may not be stored yet, and its client deletes them.
            self._kept.drop(stop.stream)
        session = self._sessions.get(stop.stream)
        if session is None or (stopped and session.stream.ended):
            return
        if stop.reader and stop.reader != session.request.gateway:
            self._sessions.release(session, stop.reader, asyncio.get_running_loop().time())
            return
        # The gateway that sent this has ended its own readers.
        read_elsewhere = stopped or len(session.stream.gateways) > 1
        end = ErrorDetail(stop.code, stop.message) if read_elsewhere else None
        self._sessions.stop(session, stop.code, stop.serves, end)

    def _drain(self, *, draining: bool) -> None:
        if self._slots.closed:
            return
        if self._slots.draining != draining:
            self._slots.draining = draining
            log.info("worker.draining" if draining else "worker.resumed", in_flight=self._slots.in_use)
            self._intake.slots_changed()
        # Also if nothing changed: the sender repeats the message when it has missed the heartbeat after it.
        self._heartbeats.publish_soon()
