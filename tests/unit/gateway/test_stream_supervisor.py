"""The supervisor of open streams: lost workers, silent links and broker absences, in virtual time."""

import asyncio

import pytest
from unit.support.stream_limits import SETTINGS, streaming
from unit.support.streams import NOW
from unit.support.virtual_time import START, VirtualTimeLoop, virtual_time

from penstock_contract import codec, subjects
from penstock_contract.stream.frames import Probe, WorkerHeartbeat
from penstock_gateway.streaming.activation import Activations
from penstock_gateway.streaming.registry import StreamRegistry
from penstock_gateway.streaming.stream_supervisor import TICK_S, StreamSupervisor
from penstock_gateway.streaming.stream_timeouts import BROKER_AWAY_MAX_S
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import GIVEN_UP_S, HEARTBEAT_S, LOST_S, SILENCE_MAX_S


class Broker:
    """Accepts every message, and sends none."""

    def __init__(self) -> None:
        self.connected = True

        self.silent = False
        self.worker_is_connected = True

    async def publish(self, subject: str, data: bytes) -> None: ...

    async def has_no_subscriber(self, subject: str, data: bytes, *, timeout_s: float) -> bool:
        assert subject == subjects.control("default", "main", "worker-1")
        assert codec.decode_control(data) == Probe()
        if self.worker_is_connected:
            await asyncio.sleep(timeout_s)
        return not self.worker_is_connected


class Watched:
    """A stream under a supervisor, with a heartbeat of its worker each second, in virtual time."""

    def __init__(self) -> None:
        assert START == NOW
        self.stream = streaming()
        table = StreamRegistry(lambda *_: None)
        table.add(self.stream)
        self.broker = Broker()
        self._pause_detector = PauseDetector(HEARTBEAT_S)
        activations = Activations(lambda _: None, self._pause_detector)
        self._supervisor = StreamSupervisor(
            SETTINGS, self.broker, table, activations, lambda _: "", self._pause_detector, gateway="gw"
        )
        self._supervisor.start()
        self._tasks = [
            asyncio.create_task(self._beat()),
            asyncio.create_task(self._answer()),
        ]

    async def _answer(self) -> None:
        """The broker answers a PING each second."""
        while True:
            if self.broker.connected and not self.broker.silent:
                self._pause_detector.record_answer(asyncio.get_running_loop().time())
            await asyncio.sleep(HEARTBEAT_S)

    async def _beat(self, incarnation: int = 0) -> None:
        await self._supervisor.on_connected()
        beat = codec.encode(WorkerHeartbeat("worker-1", 8, 1, draining=False, version="1", incarnation=incarnation))
        while True:
            if self.broker.connected and not self.broker.silent:
                self._supervisor.on_heartbeat(subjects.worker_heartbeat("default", "main", "worker-1"), beat)
            await asyncio.sleep(1.0)

    def publish_heartbeat(self, route: str, worker: str, incarnation: int) -> None:
        """A heartbeat that arrived under `route`, with any worker's name."""
        beat = codec.encode(WorkerHeartbeat(worker, 8, 1, draining=False, version="1", incarnation=incarnation))
        self._supervisor.on_heartbeat(subjects.worker_heartbeat("default", route, worker), beat)

    def crash(self) -> None:
        """The worker crashes, and its connection is closed."""
        self._tasks[0].cancel()
        self.broker.worker_is_connected = False

    def fall_silent(self) -> None:
        """The worker's link fails."""
        self._tasks[0].cancel()

    def come_again(self, incarnation: int = 1) -> None:
        """The worker's container is restarted under the same name."""
        self.broker.worker_is_connected = True
        self._tasks[0] = asyncio.create_task(self._beat(incarnation=incarnation))

    async def end(self) -> None:
        await self._supervisor.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


def pause_process(seconds: float) -> None:
    """The process is paused; its timers and the messages sent meanwhile are due at once after it."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop._advance(seconds)


@pytest.mark.parametrize("away_s", [4.0, 60.0])
@virtual_time
async def test_stream_supervisor_keeps_the_workers_after_a_pause_of_the_gateway(away_s: float) -> None:
    watched = Watched()
    await asyncio.sleep(2.1)  # The next tick comes before the next heartbeat.
    pause_process(away_s)
    await asyncio.sleep(10)
    assert watched.stream.error is None
    await watched.end()


@virtual_time
async def test_stream_supervisor_detects_a_worker_that_crashed_during_a_pause() -> None:
    watched = Watched()
    await asyncio.sleep(2.1)
    watched.crash()
    pause_process(60.0)
    await asyncio.sleep(TICK_S)
    assert watched.stream.error is None
    await asyncio.sleep(LOST_S + 3 * TICK_S)
    assert watched.stream.error is not None
    assert watched.stream.error.code == "worker_lost"
    await watched.end()


@virtual_time
async def test_stream_supervisor_detects_a_restarted_worker() -> None:
    watched = Watched()
    await asyncio.sleep(5)
    watched.crash()
    await asyncio.sleep(0.5)
    watched.come_again()
    await asyncio.sleep(2 * TICK_S)
    assert watched.stream.error is not None
    assert watched.stream.error.code == "worker_lost"
    await watched.end()


@virtual_time
async def test_stream_supervisor_ignores_heartbeats_of_other_routes() -> None:
    watched = Watched()
    await asyncio.sleep(5)
    for _ in range(40):
        watched.publish_heartbeat("other", "worker-1", incarnation=99)
        await asyncio.sleep(TICK_S)
    assert watched.stream.error is None
    await watched.end()


@virtual_time
async def test_stream_supervisor_ignores_heartbeats_of_other_routes_for_a_lost_worker() -> None:
    watched = Watched()
    await asyncio.sleep(5)
    watched.crash()
    for _ in range(40):
        watched.publish_heartbeat("other", "worker-1", incarnation=0)
        await asyncio.sleep(TICK_S)
    assert watched.stream.error is not None
    assert watched.stream.error.code == "worker_lost"
    await watched.end()


@virtual_time
async def test_stream_supervisor_detects_the_broker_before_other_reconnect_hooks() -> None:
    """Hooks run in sequence after a reconnect, and one may wait for JetStream's response for seconds."""
    watched = Watched()
    await asyncio.sleep(5)
    watched.broker.connected = False
    await asyncio.sleep(BROKER_AWAY_MAX_S - 4)
    watched.broker.connected = True
    await asyncio.sleep(BROKER_AWAY_MAX_S)
    assert watched.stream.error is None
    await watched.end()


@virtual_time
async def test_stream_supervisor_detects_a_worker_that_crashed_during_a_broker_absence() -> None:
    watched = Watched()
    await asyncio.sleep(5)
    watched.broker.connected = False
    watched.crash()
    await asyncio.sleep(BROKER_AWAY_MAX_S - 4)
    watched.broker.connected = True
    await asyncio.sleep(LOST_S - TICK_S)
    assert watched.stream.error is None
    await asyncio.sleep(HEARTBEAT_S + 4 * TICK_S)
    assert watched.stream.error is not None
    assert watched.stream.error.code == "worker_lost"
    await watched.end()


@virtual_time
async def test_stream_supervisor_detects_a_killed_worker_within_5_s() -> None:
    watched = Watched()
    await asyncio.sleep(5)
    watched.crash()
    await asyncio.sleep(LOST_S + 3 * TICK_S)
    assert watched.stream.error is not None
    assert watched.stream.error.code == "worker_lost"
    await watched.end()


@pytest.mark.parametrize("seconds", [3.0, 6.0, SILENCE_MAX_S])
@virtual_time
async def test_stream_supervisor_keeps_the_stream_of_a_worker_with_a_silent_link(seconds: float) -> None:
    watched = Watched()
    await asyncio.sleep(5.9)
    watched.fall_silent()
    await asyncio.sleep(seconds)
    watched.come_again(incarnation=0)
    await asyncio.sleep(20)
    assert watched.stream.error is None
    await watched.end()


@virtual_time
async def test_stream_supervisor_detects_a_vanished_worker_after_the_longest_silence() -> None:
    watched = Watched()
    await asyncio.sleep(5.1)
    watched.fall_silent()
    await asyncio.sleep(GIVEN_UP_S - 2 * TICK_S)
    assert watched.stream.error is None
    await asyncio.sleep(4 * TICK_S)
    assert watched.stream.error is not None
    assert watched.stream.error.code == "worker_lost"
    await watched.end()


@pytest.mark.parametrize("seconds", [3.0, 6.0, SILENCE_MAX_S])
@virtual_time
async def test_stream_supervisor_keeps_streams_while_the_broker_is_silent(seconds: float) -> None:
    watched = Watched()
    await asyncio.sleep(5.9)
    watched.broker.silent = True
    await asyncio.sleep(seconds)
    watched.broker.silent = False
    await asyncio.sleep(20)
    assert watched.stream.error is None
    await watched.end()


@virtual_time
async def test_stream_supervisor_ends_streams_when_the_broker_stays_silent() -> None:
    watched = Watched()
    await asyncio.sleep(5.1)
    watched.broker.silent = True
    await asyncio.sleep(BROKER_AWAY_MAX_S + 2.5)
    assert watched.stream.error is not None
    assert watched.stream.error.code == "broker_unavailable"
    await watched.end()
