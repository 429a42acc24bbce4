"""Tables of docs/reference/errors.md."""

from generate.page import table
from penstock_contract.error_codes import ERRORS


def codes(seen_by: str) -> str:
    """By status, then by code."""
    found = sorted((kind.status, code, kind) for code, kind in ERRORS.items() if kind.seen_by == seen_by)
    return table(
        ("code", "status", "meaning", "retry"),
        ((f"`{code}`", str(status), kind.meaning, "yes" if kind.retryable else "no") for status, code, kind in found),
    )
