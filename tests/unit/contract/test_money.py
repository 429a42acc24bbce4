"""Prices and amounts are exact, whatever their decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.route.prices import PricesSpec
from penstock_contract.usage.money import FREE, PICOS, Rates, decimal, per_million, picos

AMOUNTS = st.decimals(0, 10**9, places=12, allow_nan=False)


@given(AMOUNTS)
def test_an_amount_is_the_same_after_a_way_through_picos(amount: Decimal) -> None:
    text = f"{amount:f}"
    assert picos(text) == int(amount * PICOS)
    assert Decimal(decimal(picos(text))) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (PICOS, "1"), (1, "0.000000000001"), (15 * PICOS // 10, "1.5"), (-PICOS // 4, "-0.25")],
)
def test_an_amount_is_written_as_short_as_it_is(amount: int, text: str) -> None:
    assert decimal(amount) == text


def test_a_price_for_a_million_tokens_is_whole_picos_for_one() -> None:
    assert per_million("0.000001") == 1
    assert per_million("2.5") == 2_500_000


def test_cached_input_is_part_of_input_and_has_its_own_price() -> None:
    rates = Rates(10, 1, 100)
    assert rates.cost(1000, 400, 7) == 600 * 10 + 400 * 1 + 700
    assert FREE.cost(1000, 400, 7) == 0
    assert rates.cost(3, 5, 0) == 5, "a provider that counts more cached than input pays nothing back"


def test_cached_input_costs_what_input_costs_where_it_has_no_price() -> None:
    assert PricesSpec(input_per_million="2", output_per_million="8").rates == Rates(
        2_000_000, 2_000_000, 8_000_000, 2_000_000
    )
    assert PricesSpec(input_per_million="2", cached_input_per_million="0").rates == Rates(2_000_000, 0, 0, 2_000_000)


def test_rates_price_input_that_is_written_to_the_cache_apart() -> None:
    prices = PricesSpec(
        input_per_million="2",
        cached_input_per_million="0.2",
        cache_write_input_per_million="2.5",
        output_per_million="8",
    )

    assert prices.rates.cost(1000, 400, 7, 100) == 500 * 2_000_000 + 400 * 200_000 + 100 * 2_500_000 + 7 * 8_000_000
    assert PricesSpec(input_per_million="2").rates.cost(10, 0, 0, 10) == 10 * 2_000_000
