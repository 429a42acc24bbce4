"""One row per request, whatever dies: what it used, what that cost and how it ended. Never what was said.

A row is opened before its request is queued and replaced as more is known; JetStream keeps one message per subject,
and the subject names the request, so there can never be two. Who writes when is in docs/usage.md.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from penstock_contract.events import UsageReported
from penstock_contract.money import Rates, decimal
from penstock_contract.requests import ChatOperation, Operation

GATEWAY_LOST: Final = "gateway_lost"
"""How a request ended whose gateway died; no client could be told, so it is not in the table of errors."""

BYTES_PER_TOKEN_OUT: Final = 5


class Tokens(Struct, frozen=True, array_like=True):
    """Cached input, and input that was written to the provider's cache, are parts of input.

    `estimated`: our own count, or our own count of the output, as the provider's did not come.
    """

    input: int = 0
    cached_input: int = 0
    output: int = 0
    estimated: bool = False
    cache_write_input: int = 0


class UsageRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`cost` is decimal text in the currency of the route's prices; times are Unix seconds and seconds.

    `ended` is a finish reason or an error's code, None while the request is open. `attempts` counts calls to providers
    and workers that died with the request in their hands. `delivery` is the worker's whose word it is, by the queue's
    count, and 0 as long as it is nobody's.
    """

    id: str
    key: str
    route: str
    model: str
    gateway: str
    started_at: float
    worker: str = ""
    provider: str = ""
    attempts: int = 0
    tokens: Tokens = Tokens()
    cost: str = "0"
    first_token_s: float | None = None
    duration_s: float = 0.0
    ended: str | None = None
    delivery: int = 0


def gives_way(stored: UsageRow, delivery: int) -> bool:
    """Whether a stored row may be replaced by the worker of that delivery.

    An open row gives way to a later delivery's. The last word on a request stays, unless a gateway said it in place of
    this very worker, or of a worker that it knew nothing of.
    """
    if stored.ended is None:
        return stored.delivery <= delivery
    return stored.delivery in {0, delivery}


class Claimed(Struct, frozen=True):
    """What came of a worker's row: its `number` in the store, or another row that `stays`."""

    number: int = 0
    stays: UsageRow | None = None


class Counted(Struct, frozen=True, array_like=True, gc=False):
    """What an open request has used so far, by our own count; `cost` is in picos."""

    id: str
    input: int
    output: int
    cost: int
    duration_s: float


class Checkpoint(Struct, frozen=True, array_like=True):
    """A worker's open requests that have begun, a few times a second: what is known of them should it die."""

    worker: str
    open: list[Counted]


class Presence(Struct, frozen=True):
    """A gateway that may have open rows; the oldest of them had been open for `open_s` when this was written.

    A duration, as the gateway's time of day may differ from the broker's, which the rows are looked for by.
    """

    gateway: str
    open_s: float


def filled(
    row: UsageRow,
    tokens: Tokens,
    rates: Rates,
    *,
    worker: str,
    provider: str,
    attempts: int,
    first_token_s: float | None,
    duration_s: float,
    ended: str | None,
    delivery: int,
) -> UsageRow:
    """The request's row with what is known now, in a row's own precision."""
    return replace(
        row,
        worker=worker,
        provider=provider,
        attempts=attempts,
        tokens=tokens,
        cost=decimal(rates.cost(tokens.input, tokens.cached_input, tokens.output, tokens.cache_write_input)),
        first_token_s=None if first_token_s is None else round(first_token_s, 4),
        duration_s=round(duration_s, 4),
        ended=ended,
        delivery=delivery,
    )


def reported(usage: UsageReported) -> Tokens:
    """The provider's own count."""
    return Tokens(
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.output_tokens,
        usage.estimated,
        usage.cache_write_input_tokens,
    )


def estimated_output(operation: Operation, deltas: int, text_bytes: int) -> int:
    """A piece is a token with most providers; some put several into one, which its length tells."""
    return max(deltas, text_bytes // BYTES_PER_TOKEN_OUT) if isinstance(operation, ChatOperation) else 0


def estimated_input(operation: Operation) -> int:
    """Our own count of all that goes to a provider, made where the request's body was read."""
    return operation.input_tokens
