"""The usage record of a request: tokens, cost and outcome. It survives crashes, and contains no prompt or answer.

A row is opened by the worker at the provider's first event, or by the gateway if that takes longer, and replaced as
more is known; JetStream keeps one message per subject, and the subject names the request, so there can never be two.
docs/operations/usage.md has which process writes when.
"""

from typing import Final, get_args

from msgspec import Struct
from msgspec.structs import replace

from penstock_contract.request.operations import Generation, Operation
from penstock_contract.stream.events import FinishReason, UsageReported
from penstock_contract.usage.money import Rates, decimal, picos

GATEWAY_LOST: Final = "gateway_lost"
"""The end of a request whose gateway crashed; no client can receive it, so it is not in the table of errors."""

FINISH_REASONS: Final = frozenset(get_args(FinishReason))

COUNT_MAX: Final = 2**53
"""The largest number of tokens that is accepted; JSON carries no larger integer for certain (RFC 8259 §6)."""
COST_MAX: Final = 2**63 - 1
"""In picos: what msgpack and JSON carry of a cost."""
BYTES_PER_TOKEN_OUT: Final = 5
OPENED_AFTER_S: Final = 0.5
"""A gateway opens the row of a request that no worker has accepted for so long: rarer is the first row a worker's."""


class Tokens(Struct, frozen=True, array_like=True):
    """Cached input, and input that was written to the provider's cache, are parts of input.

    `estimated`: our own count, or our own count of the output, as the provider's did not come.
    """

    input: int = 0
    cached_input: int = 0
    output: int = 0
    estimated: bool = False
    cache_write_input: int = 0


class Unanswered(Struct, frozen=True, array_like=True):
    """Input that was sent to providers which gave no answer and no error status, by our own count."""

    input: int = 0
    cost: str = "0"


NOTHING_UNANSWERED: Final = Unanswered()


class UsageRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`cost` is decimal text in the currency of the route's prices; times are Unix seconds and seconds.

    `tokens` and `cost` are the sums over all attempts that were sent; `unanswered` is the part of the attempts before
    the last. `ended` is a finish reason or an error's code, None while the request is open. `attempts` counts calls to
    providers, and workers that were lost while they held the request. `delivery` is that of the worker which wrote the
    row, by the queue's count, and 0 as long as no worker has.
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
    unanswered: Unanswered = NOTHING_UNANSWERED
    first_token_s: float | None = None
    duration_s: float = 0.0
    ended: str | None = None
    delivery: int = 0


def may_replace(stored: UsageRow, row: UsageRow) -> bool:
    """Return whether a worker's row may replace a stored one.

    An open row is replaced by a row of the same or of a later delivery. A closed row is replaced by a closed one only:
    if a gateway wrote it in place of this worker or of an unknown one, or if its worker ended without an answer and a
    later delivery's answer is whole.
    """
    if stored.ended is None:
        return stored.delivery <= row.delivery
    if row.ended is None:
        return False
    if stored.delivery in {0, row.delivery}:
        return True
    return stored.delivery < row.delivery and stored.ended not in FINISH_REASONS and row.ended in FINISH_REASONS


def is_stored(stored: UsageRow, row: UsageRow) -> bool:
    """Return whether `stored` has all counts of the closed `row`, perhaps with the input of a row that it replaced.

    Another count of the input is another row: a gateway's estimate may have the same output as the provider's count.
    """
    tokens, added = stored.tokens, stored.unanswered.input - row.unanswered.input
    if added:
        tokens = replace(tokens, input=tokens.input - added, estimated=row.tokens.estimated)
    written = (stored.worker, stored.delivery, stored.ended, tokens)
    return row.ended is not None and written == (row.worker, row.delivery, row.ended, row.tokens)


def with_replaced(row: UsageRow, stored: UsageRow) -> UsageRow:
    """`row`, which replaces `stored`, with the input and cost of an earlier delivery whose worker closed its row."""
    if stored.ended is None or stored.delivery in {0, row.delivery} or not stored.tokens.input:
        return row
    tokens, unanswered = row.tokens, row.unanswered
    cost = picos(unanswered.cost) + picos(stored.cost)
    return replace(
        row,
        tokens=replace(tokens, input=tokens.input + stored.tokens.input, estimated=True),
        cost=decimal(picos(row.cost) + picos(stored.cost)),
        unanswered=Unanswered(unanswered.input + stored.tokens.input, decimal(cost)),
    )


class RowWriteResult(Struct, frozen=True):
    """Result of writing a worker's row: its stream `sequence`, or the stored row that was `kept` instead."""

    sequence: int = 0
    kept: UsageRow | None = None


class OpenRequestUsage(Struct, frozen=True, array_like=True, gc=False):
    """Use of an open request so far, by the worker's count, over all attempts that were sent; `cost` is in picos."""

    id: str
    input: int
    output: int
    cost: int
    duration_s: float


class Checkpoint(Struct, frozen=True, array_like=True):
    """A worker's open requests, several times a second: their counts if the worker crashes."""

    worker: str
    open: list[OpenRequestUsage]


def with_checkpoint(row: UsageRow, checkpoint: Checkpoint | None) -> UsageRow:
    """The row with the count of its worker's checkpoint, or the row itself if the checkpoint lacks it."""
    counted = next((one for one in checkpoint.open if one.id == row.id), None) if checkpoint is not None else None
    if counted is None:
        return row
    tokens = Tokens(counted.input, 0, counted.output, estimated=True)
    return replace(row, tokens=tokens, cost=decimal(counted.cost), duration_s=round(counted.duration_s, 4))


class GatewayPresence(Struct, frozen=True):
    """A gateway that may have open rows; the oldest of them had been open for `open_s` when this was written.

    A duration, as the gateway's time of day may differ from the broker's, which the rows are looked for by.
    """

    gateway: str
    open_s: float


def update_row(
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
    unanswered: Unanswered = NOTHING_UNANSWERED,
) -> UsageRow:
    """The request's row with what is known now, in a row's own precision.

    `tokens` are those of the last attempt, at `rates`; what is `unanswered` is added to them.
    """
    cost = rates.cost(tokens.input, tokens.cached_input, tokens.output, tokens.cache_write_input)
    if unanswered.input:
        tokens = replace(tokens, input=tokens.input + unanswered.input, estimated=True)
        cost += picos(unanswered.cost)
    return replace(
        row,
        worker=worker,
        provider=provider,
        attempts=attempts,
        tokens=tokens,
        cost=decimal(cost),
        unanswered=unanswered,
        first_token_s=None if first_token_s is None else round(first_token_s, 4),
        duration_s=round(duration_s, 4),
        ended=ended,
        delivery=delivery,
    )


def tokens_from_report(usage: UsageReported) -> Tokens:
    """The provider's own count, within its bounds."""
    usage = clamp_usage(usage)
    return Tokens(
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.output_tokens,
        usage.estimated,
        usage.cache_write_input_tokens,
    )


def clamp_usage(usage: UsageReported) -> UsageReported:
    """The count with each number in 0..`COUNT_MAX`, cached input at most the input, reasoning at most the output.

    A provider's numbers are not trusted: a negative count would be a credit, and one beyond 64 bits cannot be encoded.
    """
    input_, output = _clamp(usage.input_tokens), _clamp(usage.output_tokens)
    cached = _clamp(usage.cached_input_tokens, input_)
    within = replace(
        usage,
        input_tokens=input_,
        output_tokens=output,
        cached_input_tokens=cached,
        reasoning_tokens=_clamp(usage.reasoning_tokens, output),
        cache_write_input_tokens=_clamp(usage.cache_write_input_tokens, input_ - cached),
    )
    return usage if within == usage else within


def _clamp(count: int, most: int = COUNT_MAX) -> int:
    return max(0, min(count, most))


def choose_tokens(one: Tokens, other: Tokens) -> Tokens:
    """The better of two counts of the same request: a provider's before an estimate, then the larger; else `one`."""
    return max(one, other, key=lambda tokens: (_is_counted(tokens), tokens.input + tokens.output))


def _is_counted(tokens: Tokens) -> bool:
    return not tokens.estimated and tokens.input + tokens.output > 0


def estimate_output_tokens(operation: Operation, deltas: int, text_bytes: int) -> int:
    """One delta is one token with most providers; for those that batch tokens, the length of the text counts."""
    return max(deltas, text_bytes // BYTES_PER_TOKEN_OUT) if isinstance(operation, Generation) else 0
