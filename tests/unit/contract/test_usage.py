"""Our own count of tokens, where the provider's does not come, and sums of rows."""

import pytest
from msgspec.structs import replace

from penstock_contract.requests import ChatOperation, EmbeddingsOperation
from penstock_contract.usage import Tokens, UsageRow, estimated_output, gives_way
from penstock_contract.usage_report import Adding, Grouping

CHAT = ChatOperation(body=b"{}", input_tokens=1)


@pytest.mark.parametrize(
    ("stored", "ended", "writer", "gives"),
    [
        (0, None, 1, True),
        (1, None, 1, True),
        (1, None, 2, True),
        (2, None, 1, False),
        (2, "stop", 1, False),
        (1, "stop", 2, False),
        (1, "worker_lost", 1, True),
        (0, "gateway_lost", 1, True),
    ],
)
def test_a_row_gives_way_to_a_later_delivery_while_it_is_open_and_then_to_its_own(
    stored: int, ended: str | None, writer: int, gives: bool
) -> None:
    assert gives_way(replace(row("k", "m", 1.0, ended, "0", Tokens()), delivery=stored), writer) is gives


def test_a_piece_is_a_token_unless_the_pieces_are_long() -> None:
    assert estimated_output(CHAT, 10, 43) == 10
    assert estimated_output(CHAT, 10, 500) == 100


def test_embeddings_have_no_output() -> None:
    assert estimated_output(EmbeddingsOperation(body=b"{}", input_tokens=1, count=1), 1, 500) == 0


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
def test_rows_are_added_up_by_what_one_asks_for(by: Grouping, names: list[str]) -> None:
    adding = Adding(by)
    for one in ROWS:
        adding.add(one)
    assert [one.of for one in adding.sums()] == names
    assert sum(one.requests for one in adding.sums()) == 3


def test_sums_are_exact_and_say_what_failed_and_what_is_open() -> None:
    adding = Adding("route")
    for one in ROWS:
        adding.add(one)
    (total,) = adding.sums()
    assert (total.requests, total.failed, total.open, total.estimated) == (3, 1, 1, 1)
    assert (total.input_tokens, total.cached_input_tokens, total.output_tokens) == (11, 5, 4)
    assert total.cost == "0.100000000001"
