"""The usage rows that a gateway receives for its open requests."""

from msgspec.structs import replace
from unit.support.limiters import resolution
from unit.support.streams import started_stream
from unit.support.virtual_time import LoopClock, virtual_time

from penstock_broker.connection import Connection
from penstock_contract import codec
from penstock_contract.request.operations import ChatOperation
from penstock_contract.usage.record import UsageRow
from penstock_gateway.usage.open_usage import OpenUsage
from penstock_gateway.usage.recorder import UsageRecorder

PRICES = {"inputPerMillion": "1", "outputPerMillion": "10"}
OPEN = UsageRow(id="req_1", key="k", route="default.main", model="main", gateway="gw", started_at=1.0)
OPERATION = ChatOperation(body=b"{}", input_tokens=6)


@virtual_time
async def test_usage_recorder_takes_the_final_row_of_the_serving_worker() -> None:
    recorder = UsageRecorder(
        Connection("nats://127.0.0.1:1", "test", inbox_prefix="_INBOX_test"), LoopClock(), gateway="gw"
    )
    closed: list[UsageRow] = []
    made = OpenUsage(OPEN, started_stream()[0], resolution(PRICES), OPERATION, closed.append)
    recorder.add(made)
    right = replace(OPEN, delivery=1, ended="stop")

    recorder.on_row("", codec.encode_json(replace(OPEN, delivery=1)))
    recorder.on_row("", codec.encode_json(replace(OPEN, delivery=2, ended="cancelled")))
    assert closed == []
    recorder.on_row("", codec.encode_json(right))
    assert closed == [], "two wrote: what is stored is looked at when the stream has ended"
    assert made.closed(replace(OPEN, delivery=2)) == right


@virtual_time
async def test_usage_recorder_takes_an_uncontested_row_immediately() -> None:
    recorder = UsageRecorder(
        Connection("nats://127.0.0.1:1", "test", inbox_prefix="_INBOX_test"), LoopClock(), gateway="gw"
    )
    closed: list[UsageRow] = []
    recorder.add(OpenUsage(OPEN, started_stream()[0], resolution(PRICES), OPERATION, closed.append))
    recorder.on_row("", codec.encode_json(replace(OPEN, delivery=1)))
    recorder.on_row("", codec.encode_json(right := replace(OPEN, delivery=1, ended="stop")))
    recorder.on_row("", codec.encode_json(right))
    assert closed == [right]
