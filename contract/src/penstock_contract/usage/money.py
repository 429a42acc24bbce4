"""Money and prices as whole numbers: decimal text outside, picos (10^-12 of a unit) inside.

A price per million tokens with six decimals is a whole number of picos per token, so costs are sums of integers: exact,
and cheap enough for every token. The code does not store a currency and converts nothing.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

PICOS: Final = 10**12
PerMillion = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?\Z", max_length=13)]
"""A price per million tokens: at most 999999.999999."""


class Rates(Struct, frozen=True):
    """Picos per token."""

    input: int = 0
    cached_input: int = 0
    output: int = 0
    cache_write_input: int = 0

    def cost(
        self, input_tokens: int, cached_input_tokens: int, output_tokens: int, cache_write_input_tokens: int = 0
    ) -> int:
        """In picos; cached input, and input that the provider wrote to its cache, are parts of input."""
        fresh = max(0, input_tokens - cached_input_tokens - cache_write_input_tokens)
        read = cached_input_tokens * self.cached_input
        written = cache_write_input_tokens * self.cache_write_input
        return fresh * self.input + read + written + output_tokens * self.output


FREE: Final = Rates()


def picos(text: str) -> int:
    """Picos of a decimal number without sign or exponent, exactly; decimals after the twelfth are cut off."""
    whole, _, decimals = text.strip().partition(".")
    return int(whole) * PICOS + int(decimals[:12].ljust(12, "0"))


def per_million(text: str) -> int:
    """Picos per token of a price per million tokens."""
    return picos(text) // 1_000_000


def decimal(amount: int) -> str:
    """The shortest decimal text of an amount in picos."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    whole, decimals = divmod(amount, PICOS)
    return f"{sign}{whole}.{decimals:012d}".rstrip("0").rstrip(".")
