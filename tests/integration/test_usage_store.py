"""The store of usage rows has a bound that the broker keeps, and nothing is lost by giving it one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from harness.link import Link
from harness.nats_server import NatsServer
from harness.processes import until
from nats.js.api import StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError
from unit.support.limiters import OPERATION, resolution

from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_broker.stores import api_keys
from penstock_broker.stores.usage import UsageWriter, close_row, open_row, read_rows
from penstock_broker.stores.usage_storage import UsageBounds, read_storage_state
from penstock_contract import subjects
from penstock_contract.errors import PenstockError
from penstock_contract.usage.record import Tokens, Unanswered, UsageRow
from penstock_gateway.telemetry.stream_record import StreamRecord
from penstock_gateway.usage.recorder import UsageRecorder
from penstock_runtime.clock import SystemClock

MIB = 1024 * 1024
SMALL = UsageBounds(rows_bytes_max=2 * MIB, rows_kept_days=30, checkpoints_bytes_max=MIB)


@contextlib.asynccontextmanager
async def broker(directory: Path, file_max: str = "10GB") -> AsyncIterator[Connection]:
    """A nats-server with a disk of this size, and a connection to it."""
    nats = NatsServer(directory, jetstream=f"max_file_store: {file_max},")
    connection = Connection(nats.url, "test", inbox_prefix="_INBOX_test")
    try:
        await nats.listening()
        await connection.start()
        yield connection
    finally:
        await connection.close()
        await nats.process.end()


def row(number: int, **fields: Any) -> UsageRow:
    return UsageRow(id=f"req_{number}", key="k", route="ns.r", model="m", gateway="gw", started_at=1.0, **fields)


@contextlib.asynccontextmanager
async def writing(connection: Connection) -> AsyncIterator[UsageWriter]:
    writer = UsageWriter(connection)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        running.cancel()


async def stored(connection: Connection) -> list[UsageRow]:
    return [found async for found in read_rows(connection, since=0.0)]


async def write(connection: Connection, first: int, count: int) -> None:
    """Write records of a kibibyte, each confirmed."""
    jetstream = connection.client.jetstream()
    for number in range(first, first + count):
        await jetstream.publish(f"penstock.usage.ns.r.gw.req_{number}", b'{"padding":"%b"}' % (b"x" * 1000))


async def config(jetstream: JetStreamContext, stream: str) -> StreamConfig:
    return (await jetstream.stream_info(stream)).config


class Queued:
    """A request that no worker has accepted."""

    def __init__(self) -> None:
        self._opened_at = asyncio.get_running_loop().time()

    def record(self) -> StreamRecord:
        return StreamRecord(request_id="req_1", opened_at=self._opened_at, last_event_at=self._opened_at)


async def test_usage_store_is_bounded_by_bytes_and_age(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        await ControlPlane(connection, usage=SMALL).prepare()
        jetstream = connection.client.jetstream()
        rows, checkpoints = await config(jetstream, subjects.USAGE), await config(jetstream, subjects.CHECKPOINTS)
        assert (rows.max_bytes, rows.max_age) == (2 * MIB, 30 * 86_400)
        assert checkpoints.max_bytes == MIB
        for bucket in (subjects.GATEWAYS_BUCKET, subjects.LIMITS_BUCKET):
            assert 0 < ((await config(jetstream, f"KV_{bucket}")).max_bytes or 0) <= 64 * MIB


async def test_usage_store_drops_the_oldest_records_when_full(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        await ControlPlane(connection, usage=SMALL).prepare()
        await write(connection, 0, 3000)
        stored = await read_storage_state(connection)
        assert stored is not None
        assert stored.bytes_max == 2 * MIB
        assert 0.95 < stored.fill <= 1
        jetstream = connection.client.jetstream()
        assert await jetstream.get_last_msg(subjects.USAGE, "penstock.usage.ns.r.gw.req_2999")
        with pytest.raises(APIError):
            await jetstream.get_last_msg(subjects.USAGE, "penstock.usage.ns.r.gw.req_0")


async def test_usage_store_replaces_an_open_record_by_its_closed_one(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        await ControlPlane(connection, usage=SMALL).prepare()
        async with writing(connection) as writer:
            await open_row(connection, row(1))
            claimed = await writer.write(row(1, delivery=1))
            assert claimed.sequence > 0
            writer.close(row(1, delivery=1, ended="stop"), claimed.sequence)
            await writer.drained(5)
        assert await stored(connection) == [row(1, delivery=1, ended="stop")]


@pytest.mark.parametrize("withdrawn", [False, True])
async def test_usage_recorder_repeats_a_record_that_was_not_stored(tmp_path: Path, *, withdrawn: bool) -> None:
    async with broker(tmp_path) as connection:
        recorder = UsageRecorder(connection, SystemClock(), gateway="gw")
        await ControlPlane(connection, usage=SMALL).prepare()
        jetstream = connection.client.jetstream()
        rows = await config(jetstream, subjects.USAGE)
        await jetstream.delete_stream(subjects.USAGE)
        tried = await connection.client.subscribe(subjects.usage_filter("gw"))
        recorder.open(Queued(), resolution(), OPERATION, lambda _row: None)
        if withdrawn:
            await recorder.open_row("req_1")
        running = asyncio.create_task(recorder.run())
        try:
            await tried.next_msg(timeout=5)
            await jetstream.add_stream(rows)
            (found,) = await until(lambda: stored(connection), "the record is in the store", timeout_s=10)
        finally:
            running.cancel()
        assert (found.id, found.ended) == ("req_1", None)


async def test_usage_writer_keeps_the_record_of_a_later_delivery(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        await ControlPlane(connection, usage=SMALL).prepare()
        async with writing(connection) as early, writing(connection) as late:
            await open_row(connection, row(1))
            before = await early.write(row(1, delivery=1))
            now = await late.write(row(1, delivery=2))
            assert (await early.write(row(1, delivery=1))).kept == row(1, delivery=2)
            early.close(row(1, delivery=1, ended="cancelled"), before.sequence)
            await early.drained(5)
            late.close(row(1, delivery=2, ended="stop"), now.sequence)
            await late.drained(5)
            early.close(row(1, delivery=1, ended="cancelled"))
            await early.drained(5)
        assert await stored(connection) == [row(1, delivery=2, ended="stop")]


async def test_usage_writer_replaces_a_record_that_a_gateway_closed_for_a_lost_worker(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        await ControlPlane(connection, usage=SMALL).prepare()
        async with writing(connection) as writer:
            claimed = await writer.write(row(1, delivery=1))
            lost = row(1, delivery=1, ended="worker_lost")
            assert await close_row(connection, lost, lambda _: lost)
            assert await close_row(connection, lost, lambda _: row(1, ended="never")), "it is closed"
            writer.close(row(1, delivery=1, ended="stop"), claimed.sequence)
            await writer.drained(5)
        assert await stored(connection) == [row(1, delivery=1, ended="stop")]


async def test_usage_writer_replaces_an_earlier_deliverys_row_without_an_answer(
    tmp_path: Path,
) -> None:
    """A worker that was paused sent its request to the provider after another one had got it: both inputs count."""
    async with broker(tmp_path) as connection:
        await ControlPlane(connection, usage=SMALL).prepare()
        async with writing(connection) as early, writing(connection) as late:
            sent = Tokens(17, 0, 1, estimated=True)
            early.close(row(1, worker="a", delivery=1, ended="cancelled", tokens=sent, cost="0.017"))
            await early.drained(5)
            assert (await late.write(row(1, worker="b", delivery=2))).kept is not None, "it is open"
            whole = row(1, worker="b", delivery=2, ended="stop", tokens=Tokens(5, 0, 48), cost="0.053")
            for _ in range(2):
                late.close(whole)
                await late.drained(5)
        (found,) = await stored(connection)
        assert (found.worker, found.ended, found.tokens) == ("b", "stop", Tokens(22, 0, 48, estimated=True))
        assert (found.cost, found.unanswered) == ("0.07", Unanswered(17, "0.017"))


async def test_usage_writer_replaces_a_gateways_estimate_of_the_same_output(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        await ControlPlane(connection, usage=SMALL).prepare()
        async with writing(connection) as writer:
            estimate = row(1, worker="a", delivery=1, ended="stop", tokens=Tokens(24, 0, 48, estimated=True))
            assert await close_row(connection, estimate, lambda _: estimate)
            counted = row(1, worker="a", delivery=1, ended="stop", tokens=Tokens(5, 0, 48))
            writer.close(counted)
            await writer.drained(5)
        assert await stored(connection) == [counted]


async def test_usage_writer_sends_a_row_while_the_broker_does_not_answer_for_the_one_before(tmp_path: Path) -> None:
    """A worker that is killed after a pause of the broker has then lost no row of an answer that it sent."""
    nats = NatsServer(tmp_path)
    await nats.listening()
    link = await Link.start(nats.port)
    connection = Connection(link.url, "test", inbox_prefix="_INBOX_test")
    try:
        await connection.start()
        async with writing(connection) as writer:
            link.silence()
            for number in range(3):
                sent = connection.client.stats["out_msgs"]
                writer.close(row(number, ended="stop"), 1)
                await until(lambda sent=sent: connection.client.stats["out_msgs"] == sent + 1, "sent", timeout_s=1)
            await link.mend()
    finally:
        await connection.close()
        await link.close()
        await nats.process.end()


async def test_usage_store_gets_a_bound_in_place_and_loses_nothing(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        jetstream = connection.client.jetstream()
        await jetstream.add_stream(
            name=subjects.USAGE,
            subjects=[subjects.ALL_USAGE],
            storage=StorageType.FILE,
            max_msgs_per_subject=1,
            description="somebody's own",
        )
        await write(connection, 0, 100)
        await ControlPlane(connection, usage=SMALL).prepare()
        info = await jetstream.stream_info(subjects.USAGE)
        assert (info.config.max_bytes, info.state.messages) == (2 * MIB, 100)
        assert info.config.description == "somebody's own"


async def test_usage_store_bound_is_not_lowered_below_its_content(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        jetstream = connection.client.jetstream()
        await ControlPlane(connection, usage=UsageBounds(rows_bytes_max=8 * MIB)).prepare()
        await write(connection, 0, 3000)
        held = (await jetstream.stream_info(subjects.USAGE)).state.bytes
        assert held > 2 * MIB
        for _ in range(2):
            await ControlPlane(connection, usage=SMALL).prepare()
            info = await jetstream.stream_info(subjects.USAGE)
            assert (info.config.max_bytes, info.state.messages) == (held, 3000)


async def test_usage_store_bound_is_raised_and_lowered_above_its_content(tmp_path: Path) -> None:
    async with broker(tmp_path) as connection:
        for megabytes in (2, 16, 4):
            await ControlPlane(connection, usage=UsageBounds(rows_bytes_max=megabytes * MIB)).prepare()
            assert (await config(connection.client.jetstream(), subjects.USAGE)).max_bytes == megabytes * MIB


async def test_usage_store_on_a_small_disk_is_smaller_and_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with broker(tmp_path, "300MB") as connection:
        await ControlPlane(connection, usage=UsageBounds(rows_bytes_max=1024 * MIB)).prepare()
        assert (await config(connection.client.jetstream(), subjects.USAGE)).max_bytes == 128 * MIB
        assert "broker.stream_smaller_than_wanted" in capsys.readouterr().out


async def test_usage_store_without_disk_space_is_an_error_with_its_name(tmp_path: Path) -> None:
    async with broker(tmp_path, "128MB") as connection:
        with pytest.raises(PenstockError, match="no room for the stream USAGE"):
            await ControlPlane(connection).prepare()


async def test_usage_store_bound_is_limited_to_the_available_space(tmp_path: Path) -> None:
    async with broker(tmp_path, "300MB") as connection:
        jetstream = connection.client.jetstream()
        await jetstream.add_stream(name=subjects.USAGE, subjects=[subjects.ALL_USAGE], storage=StorageType.FILE)
        await write(connection, 0, 10)
        await ControlPlane(connection, usage=UsageBounds(rows_bytes_max=1024 * MIB)).prepare()
        info = await jetstream.stream_info(subjects.USAGE)
        assert (info.config.max_bytes, info.state.messages) == (128 * MIB, 10)


async def test_usage_store_fill_level_is_unknown_without_a_broker() -> None:
    assert await read_storage_state(Connection("nats://127.0.0.1:4222", "test", inbox_prefix="_INBOX_test")) is None


async def test_key_store_is_as_large_as_fits_and_keeps_its_bound(tmp_path: Path) -> None:
    async with broker(tmp_path, "40MB") as connection:
        jetstream = connection.client.jetstream()
        await api_keys.prepare(jetstream, replicas=1)
        assert (await config(jetstream, "KV_keys")).max_bytes == 32 * MIB
        await api_keys.prepare(jetstream, replicas=1, bytes_max=MIB)
        assert (await config(jetstream, "KV_keys")).max_bytes == 32 * MIB
