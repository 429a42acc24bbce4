"""The result of a chaos run: counts that must be 0, counts for information, and their table."""

from collections import Counter
from dataclasses import dataclass, field

from harness.chaos.client import Outcome
from harness.chaos.plan import Plan
from harness.chaos.provider import PROMPT_TOKENS

from penstock_contract.usage.record import UsageRow

BROKEN_PROMISES = ("silent truncation", "hang", "double end", "wrong token")


@dataclass
class Report:
    plan: Plan
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: list[Outcome] = field(default_factory=list)
    rows: list[UsageRow] = field(default_factory=list)
    rows_later: list[UsageRow] = field(default_factory=list)
    """Read again some seconds after the last one was closed."""
    written: dict[tuple[int, int], int] = field(default_factory=dict)
    """Tokens that the provider wrote, by request and call."""
    published: set[str] = field(default_factory=set)
    """Ids of requests that were published on the broker."""
    called_again: int = 0
    left_behind: list[str] = field(default_factory=list)
    """Descriptions of components that were not idle afterwards."""
    afterwards: Counter[str] = field(default_factory=Counter)
    error_lines: int = 0
    tracebacks: int = 0

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
        """Requests without a row: all that were published, and all that were answered with a 200."""
        answered = {outcome.request_id for outcome in self.outcomes if outcome.status == 200 and outcome.request_id}
        return (self.published | answered) - self._row_of.keys()

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

        The input of attempts that were sent and not answered is in the row as well, which is an estimate then.
        """
        rows = self._row_of
        return [
            f"{row.id}: {row.tokens} instead of {outcome.tokens}, {row.ended}"
            for outcome in self.outcomes
            if outcome.end == "complete"
            and (row := rows.get(outcome.request_id)) is not None
            and (row.tokens.input - row.unanswered.input, row.tokens.output, row.tokens.estimated)
            != (PROMPT_TOKENS, outcome.tokens, row.unanswered.input > 0)
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
            sorted(self.missing),
            self.double,
            self.open,
            self.reopened,
            self.invented,
            self.miscounted,
            self.left_behind,
        )
        return [f"! {item}" for each in lists for item in each[:most]]
