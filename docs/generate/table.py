"""Markdown tables."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without a trailing line break; a bar in a cell would end the cell and is refused."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        assert not any("|" in cell or "\n" in cell for cell in row), row
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)
