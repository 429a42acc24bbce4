"""Penstock's count of tokens without a provider's, and sums of usage records."""

import pytest
from msgspec.structs import replace

from penstock_contract.request.operations import ChatOperation, EmbeddingsOperation
from penstock_contract.stream.events import UsageReported
from penstock_contract.usage.money import Rates
from penstock_contract.usage.record import (
    COUNT_MAX,
    Tokens,
    Unanswered,
    UsageRow,
    choose_tokens,
    estimate_output_tokens,
    may_replace,
    tokens_from_report,
    update_row,
)
from penstock_contract.usage.report import Grouping, UsageAggregator

CHAT = ChatOperation(body=b"{}", input_tokens=1)


@pytest.mark.parametrize(
    ("stored", "ended", "writer", "opens", "closes"),
    [
        (0, None, 1, True, True),
        (1, None, 1, True, True),
        (1, None, 2, True, True),
        (2, None, 1, False, False),
        (2, "stop", 1, False, False),
        (1, "stop", 2, False, False),
        (1, "cancelled", 2, False, True),
        (2, "cancelled", 1, False, False),
        (1, "worker_lost", 1, False, True),
        (0, "gateway_lost", 1, False, True),
    ],
)
def test_usage_record_is_replaced_by_a_later_delivery_while_open_and_then_by_its_own_last_one(
    stored: int, ended: str | None, writer: int, opens: bool, closes: bool
) -> None:
    there = replace(row("k", "m", 1.0, ended, "0", Tokens()), delivery=stored)
    assert may_replace(there, replace(row("k", "m", 1.0, None, "0", Tokens()), delivery=writer)) is opens
    assert may_replace(there, replace(row("k", "m", 1.0, "stop", "0", Tokens()), delivery=writer)) is closes


@pytest.mark.parametrize(
    ("reported", "tokens"),
    [
        (UsageReported(7, 3, 2), Tokens(7, 2, 3)),
        (UsageReported(-1_000_000, -5, -3), Tokens(0, 0, 0)),
        (UsageReported(10**30, 10**30, 10**31), Tokens(COUNT_MAX, COUNT_MAX, COUNT_MAX)),
        (UsageReported(5, 1, 9), Tokens(5, 5, 1)),
    ],
)
def test_usage_record_bounds_a_providers_count(reported: UsageReported, tokens: Tokens) -> None:
    assert tokens_from_report(reported) == tokens


def test_usage_record_adds_and_marks_the_use_of_earlier_attempts() -> None:
    open_ = row("k", "m", 1.0, None, "0", Tokens())
    made = update_row(
        open_, Tokens(10, 4, 2), Rates(3, 1, 5), worker="w", provider="p", attempts=2, first_token_s=None,
        duration_s=1.0, ended="stop", delivery=1, unanswered=Unanswered(6, "0.5"),
    )  # fmt: skip
    assert made.tokens == Tokens(16, 4, 2, estimated=True)
    assert made.cost == "0.500000000032"


@pytest.mark.parametrize(
    ("one", "other", "better_one"),
    [
        (Tokens(7, 0, 3), Tokens(14, 0, 1, estimated=True), "one"),
        (Tokens(14, 0, 1, estimated=True), Tokens(7, 0, 3), "other"),
        (Tokens(14, 0, 1, estimated=True), Tokens(14, 0, 2, estimated=True), "other"),
        (Tokens(), Tokens(1, 0, 0, estimated=True), "other"),
        (Tokens(3, 0, 0, estimated=True), Tokens(3, 0, 0, estimated=True), "one"),
    ],
)
def test_usage_record_prefers_a_providers_count_to_an_estimate(one: Tokens, other: Tokens, better_one: str) -> None:
    assert choose_tokens(one, other) is (one if better_one == "one" else other)


def test_usage_record_counts_a_piece_as_a_token_unless_the_pieces_are_long() -> None:
    assert estimate_output_tokens(CHAT, 10, 43) == 10
    assert estimate_output_tokens(CHAT, 10, 500) == 100


def test_usage_record_of_embeddings_has_no_output() -> None:
    assert estimate_output_tokens(EmbeddingsOperation(body=b"{}", input_tokens=1, count=1), 1, 500) == 0


def row(key: str, model: str, at: float, ended: str | None, cost: str, tokens: Tokens) -> UsageRow:
    return UsageRow(
        id=f"{key}{at}",
        key=key,
        route="default.main",
        model=model,
        gateway="gw",
        started_at=at,
        provider="p",
        tokens=tokens,
        cost=cost,
        ended=ended,
    )


ROWS = [
    row("a", "x", 86_399.0, "stop", "0.1", Tokens(10, 5, 3)),
    row("a", "y", 86_400.0, "worker_lost", "0.000000000001", Tokens(1, 0, 1, estimated=True)),
    row("b", "x", 86_401.0, None, "0", Tokens()),
]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("key", ["a", "b"]),
        ("model", ["x", "y"]),
        ("day", ["1970-01-01", "1970-01-02"]),
        ("route", ["default.main"]),
        ("provider", ["p"]),
    ],
)
def test_usage_report_groups_records_as_requested(by: Grouping, names: list[str]) -> None:
    adding = UsageAggregator(by)
    for one in ROWS:
        adding.add(one)
    assert [one.of for one in adding.sums()] == names
    assert sum(one.requests for one in adding.sums()) == 3


def test_usage_report_sums_are_exact_and_count_failed_and_open_requests() -> None:
    adding = UsageAggregator("route")
    for one in ROWS:
        adding.add(one)
    (total,) = adding.sums()
    assert (total.requests, total.failed, total.open, total.estimated) == (3, 1, 1, 1)
    assert (total.input_tokens, total.cached_input_tokens, total.output_tokens) == (11, 5, 4)
    assert total.cost == "0.100000000001"
