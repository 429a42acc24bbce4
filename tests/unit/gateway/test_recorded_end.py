"""The end of a stream whose frames are lost, from its usage record."""

import pytest

from penstock_contract.usage.record import GATEWAY_LOST, UsageRow
from penstock_gateway.resume.recorded_end import recorded_error


def row(ended: str | None) -> UsageRow:
    return UsageRow(
        id="req_1", key="key", route="default.main", model="main", gateway="gateway", started_at=0.0, ended=ended
    )


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (None, None),
        ("stop", None),
        ("length", None),
        ("tool_calls", None),
        ("worker_lost", "worker_lost"),
        ("provider_unavailable", "provider_unavailable"),
        (GATEWAY_LOST, "worker_lost"),
        ("of a later version", None),
    ],
)
def test_usage_record_has_the_error_that_ended_a_stream(ended: str | None, code: str | None) -> None:
    error = recorded_error(row(ended))
    assert (None if error is None else error.code) == code


def test_stream_without_a_usage_record_has_no_error() -> None:
    assert recorded_error(None) is None
