"""The number of connections within the descriptor limit, and the warning when it is lower than the setting."""

import structlog

from penstock_gateway.server.connection_limits import CONNECTIONS_MIN, RESERVED, connections_within


def test_connection_limits_keep_the_setting_with_enough_descriptors_and_log_nothing() -> None:
    with structlog.testing.capture_logs() as lines:
        assert connections_within(1000, 1000 + RESERVED) == 1000
    assert not lines


def test_connection_limits_are_lowered_with_too_few_descriptors_and_logged_with_both_numbers() -> None:
    with structlog.testing.capture_logs() as lines:
        assert connections_within(10_000, 1024) == 1024 - RESERVED
        assert connections_within(10_000, 10) == CONNECTIONS_MIN
    assert (lines[0]["descriptors"], lines[0]["connections_max"]) == (1024, 10_000)
