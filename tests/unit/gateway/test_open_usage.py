"""The final values of a usage record that the gateway closes itself."""

from msgspec.structs import replace
from unit.support.limiters import resolution
from unit.support.streams import feed, make_stream
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorDetail
from penstock_contract.request.operations import ChatOperation
from penstock_contract.stream.events import Accepted, Finished, Started, TextDelta, UsageReported
from penstock_contract.usage.record import Checkpoint, OpenRequestUsage, Tokens, UsageRow, with_checkpoint
from penstock_gateway.usage.open_usage import OpenUsage

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
async def test_open_usage_of_a_lost_worker_has_the_gateways_count() -> None:
    closed = usage_of(*BEGUN, error=ErrorDetail("worker_lost", "lost")).closed(OPEN)
    assert (closed.ended, closed.tokens) == ("worker_lost", Tokens(6, 0, 2, estimated=True))
    assert (closed.cost, closed.worker, closed.provider, closed.attempts) == ("0.000026", "w", "main", 1)
    assert closed.duration_s == 2.5


@virtual_time
async def test_open_usage_has_the_providers_count_of_the_stream() -> None:
    closed = usage_of(*BEGUN, UsageReported(50, 7, 10), Finished("length")).closed(OPEN)
    assert (closed.ended, closed.tokens) == ("length", Tokens(50, 10, 7))


@virtual_time
async def test_open_usage_has_the_larger_of_two_estimates() -> None:
    theirs = UsageRow(
        id="req_1", key="k", route="default.main", model="main", gateway="gw", started_at=1.0, provider="main",
        worker="w2", attempts=3, tokens=Tokens(6, 0, 9, estimated=True), cost="0.000096",
    )  # fmt: skip
    closed = usage_of(*BEGUN, error=ErrorDetail("stream_lost", "lost")).closed(theirs)
    assert (closed.tokens.output, closed.attempts, closed.cost) == (9, 3, "0.000096")


@virtual_time
async def test_open_usage_prefers_a_providers_count_to_a_larger_estimate() -> None:
    theirs = replace(OPEN, delivery=1, tokens=Tokens(14, 0, 1, estimated=True), cost="9")
    closed = usage_of(*BEGUN, UsageReported(7, 3), Finished("stop")).closed(theirs)
    assert (closed.ended, closed.tokens, closed.cost) == ("stop", Tokens(7, 0, 3), "0.000037")


@virtual_time
async def test_open_usage_prefers_the_workers_provider_count_to_an_estimate() -> None:
    theirs = replace(OPEN, delivery=1, tokens=Tokens(3, 0, 1), cost="0.5")
    closed = usage_of(*BEGUN, error=ErrorDetail("worker_lost", "lost")).closed(theirs)
    assert (closed.tokens, closed.cost) == (Tokens(3, 0, 1), "0.5")


@virtual_time
async def test_open_usage_includes_unanswered_calls() -> None:
    events = (Accepted("w", 0.1), Started("main", 100, "0.5"), TextDelta("one"), UsageReported(7, 3))
    closed = usage_of(*events, error=ErrorDetail("worker_lost", "lost")).closed(OPEN)
    assert (closed.tokens, closed.cost) == (Tokens(107, 0, 3, estimated=True), "0.500037")


@virtual_time
async def test_open_usage_has_the_count_of_the_workers_checkpoint() -> None:
    made = usage_of(Accepted("w", 0.1), error=ErrorDetail("worker_lost", "lost"))
    made.noted = with_checkpoint(OPEN, Checkpoint("w", [OpenRequestUsage("req_1", 60, 0, 60 * 10**6, 1.0)]))
    closed = made.closed(OPEN)
    assert (closed.ended, closed.tokens, closed.cost) == (
        "worker_lost",
        Tokens(60, 0, 0, estimated=True),
        "0.00006",
    )


@virtual_time
async def test_open_usage_without_a_worker_is_zero() -> None:
    closed = usage_of(error=ErrorDetail("queue_timeout", "late")).closed(OPEN)
    assert (closed.ended, closed.tokens, closed.cost, closed.attempts) == ("queue_timeout", Tokens(), "0", 0)
    assert usage_of().closed(OPEN).ended == "cancelled"


@virtual_time
async def test_open_usage_ignores_the_row_of_another_worker() -> None:
    made = usage_of(*BEGUN, UsageReported(50, 7, 10), Finished("length"))
    theirs = replace(OPEN, delivery=2, worker="w2", attempts=2, tokens=Tokens(6, 0, 900), ended="cancelled")
    assert not made.is_final(theirs)
    closed = made.closed(theirs)
    assert (closed.ended, closed.tokens, closed.worker, closed.delivery) == ("length", Tokens(50, 10, 7), "w", 1)
    assert made.is_final(closed)


@virtual_time
async def test_open_usage_accepts_a_later_worker_before_the_first_event() -> None:
    made = usage_of(Accepted("w", 0.1))
    assert made.is_final(replace(OPEN, delivery=2, ended="stop"))
    assert not made.is_final(replace(OPEN, delivery=2))
