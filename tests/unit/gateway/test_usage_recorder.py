"""What a gateway writes when nobody else closes a row, and how limits are shown."""

import pytest
from msgspec.structs import replace
from unit.support.limiters import resolution
from unit.support.streams import feed, make_stream, started_stream
from unit.support.virtual_time import LoopClock, virtual_time

from penstock_broker.connection import Connection
from penstock_contract import codec
from penstock_contract.errors import ErrorDetail
from penstock_contract.request.operations import ChatOperation
from penstock_contract.stream.events import Accepted, Finished, Started, TextDelta, UsageReported
from penstock_contract.usage.record import GATEWAY_LOST, Checkpoint, OpenRequestUsage, Tokens, UsageRow, with_checkpoint
from penstock_gateway.limits.headers import duration, rate_headers
from penstock_gateway.usage.open_usage import OpenUsage
from penstock_gateway.usage.orphans import orphan
from penstock_gateway.usage.recorder import UsageRecorder

PRICES = {"inputPerMillion": "1", "outputPerMillion": "10"}
OPEN = UsageRow(id="req_1", key="k", route="default.main", model="main", gateway="gw", started_at=1.0)
OPERATION = ChatOperation(body=b"{}", input_tokens=6)


def usage_of(*events: object, error: ErrorDetail | None = None) -> OpenUsage:
    stream = make_stream()
    feed(stream, *events)  # type: ignore[arg-type]
    stream.error = error
    usage = OpenUsage(OPEN, stream, resolution(PRICES), OPERATION, lambda _: None)
    usage.end(stream.record(), stream.opened_at + 2.5)
    return usage


BEGUN = (Accepted("w", 0.1), Started("main"), TextDelta("one"), TextDelta("two"))


@virtual_time
async def test_a_stream_whose_worker_died_is_closed_with_what_the_gateway_heard() -> None:
    closed = usage_of(*BEGUN, error=ErrorDetail("worker_lost", "died")).closed(OPEN)
    assert (closed.ended, closed.tokens) == ("worker_lost", Tokens(6, 0, 2, estimated=True))
    assert (closed.cost, closed.worker, closed.provider, closed.attempts) == ("0.000026", "w", "main", 1)
    assert closed.duration_s == 2.5


@virtual_time
async def test_the_providers_count_is_taken_from_the_stream_if_it_came() -> None:
    closed = usage_of(*BEGUN, UsageReported(50, 7, 10), Finished("length")).closed(OPEN)
    assert (closed.ended, closed.tokens) == ("length", Tokens(50, 10, 7))


@virtual_time
async def test_what_a_worker_counted_more_is_not_forgotten() -> None:
    theirs = UsageRow(
        id="req_1", key="k", route="default.main", model="main", gateway="gw", started_at=1.0, provider="main",
        worker="w2", attempts=3, tokens=Tokens(6, 0, 9, estimated=True), cost="0.000096",
    )  # fmt: skip
    closed = usage_of(*BEGUN, error=ErrorDetail("stream_lost", "lost")).closed(theirs)
    assert (closed.tokens.output, closed.attempts, closed.cost) == (9, 3, "0.000096")


@virtual_time
async def test_a_providers_count_that_was_received_wins_over_a_larger_estimate() -> None:
    theirs = replace(OPEN, delivery=1, tokens=Tokens(14, 0, 1, estimated=True), cost="9")
    closed = usage_of(*BEGUN, UsageReported(7, 3), Finished("stop")).closed(theirs)
    assert (closed.ended, closed.tokens, closed.cost) == ("stop", Tokens(7, 0, 3), "0.000037")


@virtual_time
async def test_a_providers_count_that_only_the_worker_received_wins_over_the_gateways_estimate() -> None:
    theirs = replace(OPEN, delivery=1, tokens=Tokens(3, 0, 1), cost="0.5")
    closed = usage_of(*BEGUN, error=ErrorDetail("worker_lost", "died")).closed(theirs)
    assert (closed.tokens, closed.cost) == (Tokens(3, 0, 1), "0.5")


@virtual_time
async def test_a_stream_is_closed_with_what_was_sent_before_its_provider_answered() -> None:
    events = (Accepted("w", 0.1), Started("main", 100, "0.5"), TextDelta("one"), UsageReported(7, 3))
    closed = usage_of(*events, error=ErrorDetail("worker_lost", "died")).closed(OPEN)
    assert (closed.tokens, closed.cost) == (Tokens(107, 0, 3, estimated=True), "0.500037")


@virtual_time
async def test_a_request_that_was_sent_and_lost_its_worker_is_closed_with_the_workers_note() -> None:
    made = usage_of(Accepted("w", 0.1), error=ErrorDetail("worker_lost", "died"))
    made.noted = with_checkpoint(OPEN, Checkpoint("w", [OpenRequestUsage("req_1", 60, 0, 60 * 10**6, 1.0)]))
    closed = made.closed(OPEN)
    assert (closed.ended, closed.tokens, closed.cost) == (
        "worker_lost",
        Tokens(60, 0, 0, estimated=True),
        "0.00006",
    )


@virtual_time
async def test_a_request_that_no_worker_took_used_nothing() -> None:
    closed = usage_of(error=ErrorDetail("queue_timeout", "late")).closed(OPEN)
    assert (closed.ended, closed.tokens, closed.cost, closed.attempts) == ("queue_timeout", Tokens(), "0", 0)
    assert usage_of().closed(OPEN).ended == "cancelled"


@virtual_time
async def test_what_a_worker_wrote_that_did_not_serve_the_stream_is_not_its_row() -> None:
    made = usage_of(*BEGUN, UsageReported(50, 7, 10), Finished("length"))
    theirs = replace(OPEN, delivery=2, worker="w2", attempts=2, tokens=Tokens(6, 0, 900), ended="cancelled")
    assert not made.is_final(theirs)
    closed = made.closed(theirs)
    assert (closed.ended, closed.tokens, closed.worker, closed.delivery) == ("length", Tokens(50, 10, 7), "w", 1)
    assert made.is_final(closed)


@virtual_time
async def test_before_the_first_event_a_later_worker_may_serve_a_stream_unheard() -> None:
    made = usage_of(Accepted("w", 0.1))
    assert made.is_final(replace(OPEN, delivery=2, ended="stop"))
    assert not made.is_final(replace(OPEN, delivery=2))


@virtual_time
async def test_a_gateway_takes_the_last_row_of_the_worker_that_serves_its_stream() -> None:
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
async def test_a_row_that_nobody_contests_is_taken_at_once() -> None:
    recorder = UsageRecorder(
        Connection("nats://127.0.0.1:1", "test", inbox_prefix="_INBOX_test"), LoopClock(), gateway="gw"
    )
    closed: list[UsageRow] = []
    recorder.add(OpenUsage(OPEN, started_stream()[0], resolution(PRICES), OPERATION, closed.append))
    recorder.on_row("", codec.encode_json(replace(OPEN, delivery=1)))
    recorder.on_row("", codec.encode_json(right := replace(OPEN, delivery=1, ended="stop")))
    recorder.on_row("", codec.encode_json(right))
    assert closed == [right]


def test_an_orphan_has_what_its_worker_had_counted_last() -> None:
    checkpoint = Checkpoint(
        "w", [OpenRequestUsage("req_0", 1, 1, 1, 1.0), OpenRequestUsage("req_1", 6, 40, 406 * 10**6, 3.5)]
    )
    closed = orphan(OPEN, checkpoint)
    assert (closed.ended, closed.tokens, closed.cost) == (GATEWAY_LOST, Tokens(6, 0, 40, estimated=True), "0.000406")
    assert closed.duration_s == 3.5


@pytest.mark.parametrize("checkpoint", [None, Checkpoint("w", [])])
def test_an_orphan_that_had_not_begun_used_nothing(checkpoint: Checkpoint | None) -> None:
    closed = orphan(OPEN, checkpoint)
    assert (closed.ended, closed.tokens, closed.id) == (GATEWAY_LOST, Tokens(), "req_1")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0121, "13ms"), (1, "1s"), (59.2, "1m0s"), (60, "1m0s"), (360, "6m0s"), (61.5, "1m2s")],
)
def test_a_duration_is_written_as_openai_writes_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_is_left_is_three_headers() -> None:
    assert rate_headers("requests", (60, 59, 1.0)) == [
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"59"),
        (b"x-ratelimit-reset-requests", b"1s"),
    ]
