"""The result of a chaos run: counts that must be 0, counts for information, and their table."""

import math
from collections import Counter
from dataclasses import dataclass, field

from harness.chaos.client import Outcome
from harness.chaos.injector import InjectedFault
from harness.chaos.plan import Group, Plan
from harness.chaos.provider import PROMPT_TOKENS

from penstock_contract.usage.record import GATEWAY_LOST, OPENED_AFTER_S, UsageRow

BROKEN_PROMISES = ("silent truncation", "hang", "double end", "wrong token")
ROW_OPENED_S = 2 * OPENED_AFTER_S
"""The gateway looks for requests without a row as often as it lets them wait for one."""
SEEN_LATE_S = 0.1
"""A publication is seen after this time at most; a killed gateway is not back in it."""
RECONNECTED_S = 2.0
"""From the broker's return until the gateways have opened the rows that are missing."""
GATEWAY_LOST_S = 6.0
"""A worker detects the loss of a gateway, and closes the rows of its requests, in less time."""

DESCRIBED_S = 20.0
"""Faults this long before and after a request without a row are shown with it."""


@dataclass(frozen=True)
class Published:
    """A request on the broker: its number, and when it was seen there (`time.monotonic`)."""

    number: int
    at: float


@dataclass
class Report:
    plan: Plan
    seconds: float = 0.0
    injected: list[InjectedFault] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    rows: list[UsageRow] = field(default_factory=list)
    rows_later: list[UsageRow] = field(default_factory=list)
    """Read again some seconds after the last one was closed."""
    written: dict[tuple[int, int], int] = field(default_factory=dict)
    """Tokens that the provider wrote, by request and call."""
    published: dict[str, Published] = field(default_factory=dict)
    """By the request's id."""
    called_again: int = 0
    left_behind: list[str] = field(default_factory=list)
    """Descriptions of components that were not idle afterwards."""
    afterwards: Counter[str] = field(default_factory=Counter)
    error_lines: int = 0
    tracebacks: int = 0

    @property
    def faults(self) -> Counter[str]:
        return Counter(f"{one.fault} {one.group}" for one in self.injected)

    @property
    def ends(self) -> Counter[str]:
        return Counter(outcome.end for outcome in self.outcomes)

    @property
    def not_found(self) -> list[Outcome]:
        """404 answers: the model existed all the time."""
        return [outcome for outcome in self.outcomes if outcome.status == 404]

    @property
    def _row_of(self) -> dict[str, UsageRow]:
        return {row.id: row for row in self.rows}

    @property
    def missing(self) -> set[str]:
        """Requests without a row: of all that were published, and all that were answered with a 200."""
        return self._without_row - self.never_taken - self.crashed_everywhere

    @property
    def never_taken(self) -> set[str]:
        """Requests without a row that no worker took, and whose gateway was killed before it could open one."""
        return {id_ for id_ in self._without_row & self.published.keys() if self._never_taken(self._trace(id_))}

    @property
    def crashed_everywhere(self) -> set[str]:
        """Requests without a row whose broker, gateway and worker were killed at about the same time.

        The broker keeps its queues in memory here, so the request was in no process any more.
        """
        return {id_ for id_ in self._without_row if self._crashed_everywhere(self._trace(id_))}

    @property
    def _without_row(self) -> set[str]:
        answered = {outcome.request_id for outcome in self.outcomes if outcome.status == 200 and outcome.request_id}
        return (answered | self.published.keys()) - self._row_of.keys()

    def _trace(self, id_: str) -> "_Trace":
        published = self.published.get(id_)
        number = None if published is None else published.number
        found = next((one for one in self.outcomes if one.number == number or one.request_id == id_), None)
        outcome = found or Outcome(0, 0, "hang")
        calls = sum(outcome.number == called for called, _ in self.written)
        return _Trace(outcome, outcome.began_at if published is None else published.at, calls)

    def _never_taken(self, trace: "_Trace") -> bool:
        if trace.calls or trace.outcome.status == 200:
            return False
        return self._killed("gateway", trace.at - SEEN_LATE_S, trace.at + ROW_OPENED_S, trace.outcome.url)

    def _crashed_everywhere(self, trace: "_Trace") -> bool:
        began = trace.at - SEEN_LATE_S
        for broker in self.injected:
            if broker.group != "broker" or broker.killed_at is None or broker.killed_at < began:
                continue
            back = math.inf if broker.healed_at is None else broker.healed_at + RECONNECTED_S
            if self._killed("gateway", began, back, trace.outcome.url) and (
                not trace.calls or self._killed("worker", began, back + GATEWAY_LOST_S)
            ):
                return True
        return False

    def _killed(self, group: Group, since: float, until: float, victim: str | None = None) -> bool:
        return any(
            one.killed_at is not None and since <= one.killed_at <= until
            for one in self.injected
            if one.group == group and victim in {None, one.victim}
        )

    @property
    def double(self) -> list[str]:
        return [id_ for id_, count in Counter(row.id for row in self.rows).items() if count > 1]

    @property
    def open(self) -> list[str]:
        return [row.id for row in self.rows if row.ended is None]

    @property
    def reopened(self) -> list[str]:
        """Rows that were closed and are open now: a worker or gateway still writes them."""
        closed = {row.id for row in self.rows if row.ended is not None}
        return [row.id for row in self.rows_later if row.ended is None and row.id in closed]

    @property
    def invented(self) -> list[str]:
        """Answers with more tokens than the provider wrote in that call."""
        return [
            f"{outcome.request_id}: {count} tokens of call {call}"
            for outcome in self.outcomes
            for call, count in [outcome.received]
            if count > self.written.get((outcome.number, call), 0)
        ]

    @property
    def miscounted(self) -> list[str]:
        """Complete answers whose usage record has other tokens than the provider counted.

        The input of attempts that were sent and not answered is in the row as well, which is an estimate then. The
        count of a gateway and a worker that were killed with the broker is in no process any more.
        """
        rows = self._row_of
        return [
            f"{row.tokens} instead of {outcome.tokens}, {row.ended}: {self._description(row.id)}"
            for outcome in self.outcomes
            if outcome.end == "complete"
            and (row := rows.get(outcome.request_id)) is not None
            and (row.tokens.input - row.unanswered.input, row.tokens.output, row.tokens.estimated)
            != (PROMPT_TOKENS, outcome.tokens, row.unanswered.input > 0)
            and not (row.ended == GATEWAY_LOST and self._crashed_everywhere(self._trace(row.id)))
        ]

    @property
    def violations(self) -> dict[str, int]:
        """Everything that must be 0."""
        ends = self.ends
        return {
            **{end: ends[end] for end in BROKEN_PROMISES},
            "404 for a model that exists": len(self.not_found),
            "rows missing": len(self.missing),
            "rows double": len(self.double),
            "rows left open": len(self.open),
            "rows opened again": len(self.reopened),
            "tokens that the provider did not write": len(self.invented),
            "whole answers with wrong tokens in their row": len(self.miscounted),
            "streams, slots, queue, provider calls left": len(self.left_behind),
            "requests afterwards that are not complete": sum(self.afterwards.values()) - self.afterwards["complete"],
            "tracebacks in logs": self.tracebacks,
        }

    @property
    def good(self) -> bool:
        return not any(self.violations.values())

    def table(self) -> str:
        codes = Counter(outcome.code for outcome in self.outcomes if outcome.code)
        facts: list[tuple[str, object]] = [
            ("seed", self.plan.seed),
            ("seconds", f"{self.seconds:.0f}"),
            ("faults injected", sum(self.faults.values())),
            *((f"  {fault}", count) for fault, count in sorted(self.faults.items())),
            ("requests", len(self.outcomes)),
            *((f"  {end}", count) for end, count in self.ends.most_common() if end not in BROKEN_PROMISES),
            ("error codes", ", ".join(f"{code} {count}" for code, count in codes.most_common())),
            ("provider called again after its first byte", self.called_again),
            ("usage rows", len(self.rows)),
            ("no row: never taken, gateway killed", len(self.never_taken)),
            ("no row: broker, gateway and worker killed", len(self.crashed_everywhere)),
            ("requests afterwards", ", ".join(f"{count} {end}" for end, count in self.afterwards.items())),
            ("error lines in logs", self.error_lines),
            ("", ""),
            ("must be 0", ""),
            *((f"  {name}", count) for name, count in self.violations.items()),
        ]
        width = max(len(name) for name, _ in facts)
        lines = [f"{name:{width}}  {value}".rstrip() for name, value in facts]
        return "\n".join([*lines, *self.details()])

    def details(self, most: int = 5) -> list[str]:
        """Examples of what must not be."""
        bad = [outcome for outcome in self.outcomes if outcome.end in BROKEN_PROMISES or outcome.status == 404]
        lists = (
            bad,
            [self._description(id_) for id_ in sorted(self.missing)],
            self.double,
            self.open,
            self.reopened,
            self.invented,
            self.miscounted,
            self.left_behind,
        )
        return [f"! {item}" for each in lists for item in each[:most]]

    def _description(self, id_: str) -> str:
        """A request without a row, with the faults near it in seconds after it was sent."""
        trace = self._trace(id_)
        outcome = trace.outcome
        near = [one for one in self.injected if abs(one.at - outcome.began_at) < DESCRIBED_S]
        faults = ", ".join(one.text(outcome.began_at) for one in near)
        end = f"{outcome.end} {outcome.code}".rstrip()
        return f"{id_} at {outcome.url}: {end}, provider calls {trace.calls}; {faults}"


@dataclass(frozen=True)
class _Trace:
    """A request: its outcome, when it was published (sent, if that was not seen), and the number of provider calls."""

    outcome: Outcome
    at: float
    calls: int
