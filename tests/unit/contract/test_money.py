"""Prices and amounts are exact, whatever their decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.route.prices import PricesSpec
from penstock_contract.usage.money import FREE, PICOS, Rates, decimal, per_million, picos

AMOUNTS = st.decimals(0, 10**9, places=12, allow_nan=False)


@given(AMOUNTS)
def test_money_is_unchanged_by_a_conversion_to_picos_and_back(amount: Decimal) -> None:
    text = f"{amount:f}"
    assert picos(text) == int(amount * PICOS)
    assert Decimal(decimal(picos(text))) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (PICOS, "1"), (1, "0.000000000001"), (15 * PICOS // 10, "1.5"), (-PICOS // 4, "-0.25")],
)
def test_money_is_written_in_the_shortest_form(amount: int, text: str) -> None:
    assert decimal(amount) == text


def test_money_price_per_million_tokens_is_whole_picos_per_token() -> None:
    assert per_million("0.000001") == 1
    assert per_million("2.5") == 2_500_000


def test_money_prices_cached_input_as_part_of_input_at_its_own_price() -> None:
    rates = Rates(10, 1, 100)
    assert rates.cost(1000, 400, 7) == 600 * 10 + 400 * 1 + 700
    assert FREE.cost(1000, 400, 7) == 0
    assert rates.cost(3, 5, 0) == 5, "a provider that counts more cached than input pays nothing back"


def test_money_prices_cached_input_like_input_without_a_price_of_its_own() -> None:
    assert PricesSpec(input_per_million="2", output_per_million="8").rates == Rates(
        2_000_000, 2_000_000, 8_000_000, 2_000_000
    )
    assert PricesSpec(input_per_million="2", cached_input_per_million="0").rates == Rates(2_000_000, 0, 0, 2_000_000)


def test_money_prices_input_that_is_written_to_the_cache_separately() -> None:
    prices = PricesSpec(
        input_per_million="2",
        cached_input_per_million="0.2",
        cache_write_input_per_million="2.5",
        output_per_million="8",
    )

    assert prices.rates.cost(1000, 400, 7, 100) == 500 * 2_000_000 + 400 * 200_000 + 100 * 2_500_000 + 7 * 8_000_000
    assert PricesSpec(input_per_million="2").rates.cost(10, 0, 0, 10) == 10 * 2_000_000
