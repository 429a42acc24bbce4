"""The error that ended a stream whose frames are lost, from its usage record. Pure."""

from typing import Final

from penstock_contract.error_codes import ERRORS
from penstock_contract.errors import ErrorDetail
from penstock_contract.usage.record import GATEWAY_LOST, UsageRow

MESSAGE: Final = "the stream ended with this error; its answer is not kept"


def recorded_error(row: UsageRow | None) -> ErrorDetail | None:
    """None without a record, for an open one, and for a stream that ended regularly."""
    if row is None or row.ended is None:
        return None
    if row.ended == GATEWAY_LOST:
        # Its worker is lost, too: it would have closed the record.
        return ErrorDetail("worker_lost", MESSAGE)
    code = next((code for code in ERRORS if code == row.ended), None)
    return None if code is None else ErrorDetail(code, MESSAGE)
