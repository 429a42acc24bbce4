"""A stream is found by its id and its tenant, open or ended, and by nothing else."""

import pytest
from unit.support.stream_events import ACCEPTED, STARTED
from unit.support.streams import feed, make_stream

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.descriptor import FindStream, Rendering
from penstock_contract.stream.events import Finished
from penstock_gateway.resume.stream_table import ENDED_MAX, ENDED_S, StreamTable
from penstock_gateway.streaming.stream import Stream

SIMPLE = Rendering("simple", "main", 0)
MINE = FindStream("req_1", "key-1")

pytestmark = pytest.mark.asyncio


def table() -> tuple[StreamTable, Stream]:
    made, stream = StreamTable(gateway="gw-1"), make_stream(tenant="key-1")
    made.add(stream, SIMPLE)
    return made, stream


async def test_stream_table_finds_the_tenants_open_stream() -> None:
    made, stream = table()
    feed(stream, ACCEPTED, STARTED)
    found = made.find(MINE, 0.0)
    assert found.descriptor is not None
    assert (found.descriptor.stream, found.descriptor.gateway, found.worker) == (7, "gw-1", "worker-1")
    assert not found.ended


async def test_stream_table_has_the_same_reply_for_another_tenant_and_an_unknown_id() -> None:
    made, stream = table()
    assert made.find(FindStream("req_1", "key-2"), 0.0) == made.find(FindStream("req_2", "key-1"), 0.0)
    made.end(stream, 0.0)
    assert made.find(FindStream("req_1", "key-2"), 0.0).descriptor is None


async def test_stream_table_finds_an_ended_stream_for_as_long_as_its_worker_replays_it() -> None:
    made, stream = table()
    stream.fail(ErrorDetail("queue_timeout", "no worker"))
    made.end(stream, 100.0)
    found = made.find(MINE, 100.0 + ENDED_S)
    assert found.ended
    assert found.error == ErrorDetail("queue_timeout", "no worker")
    assert made.find(MINE, 100.1 + ENDED_S).descriptor is None


async def test_stream_table_leaves_the_end_of_a_worker_to_its_frames() -> None:
    made, stream = table()
    feed(stream, ACCEPTED, STARTED, Finished("stop"))
    made.end(stream, 0.0)
    assert made.find(MINE, 0.0).error is None


async def test_stream_table_forgets_a_deleted_stream() -> None:
    made, stream = table()
    made.delete("req_1")
    made.end(stream, 0.0)
    assert made.find(MINE, 0.0).descriptor is None
    assert len(made) == 0


async def test_stream_table_holds_a_bounded_number_of_ended_streams() -> None:
    made = StreamTable(gateway="gw-1")
    for number in range(ENDED_MAX + 10):
        stream = make_stream(number)
        stream.request_id = f"req_{number}"
        made.add(stream, SIMPLE)
        made.end(stream, 0.0)
    assert len(made) == ENDED_MAX
