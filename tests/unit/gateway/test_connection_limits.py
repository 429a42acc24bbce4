"""The number of connections within the descriptor limit, and the warning when it is lower than the setting."""

import structlog

from penstock_gateway.server.connection_limits import CONNECTIONS_MIN, RESERVED, connections_within


def test_descriptors_allow_as_many_connections_as_the_setting_without_a_warning() -> None:
    with structlog.testing.capture_logs() as lines:
        assert connections_within(1000, 1000 + RESERVED) == 1000
    assert not lines


def test_descriptors_that_are_too_few_lower_the_connections_and_are_logged_with_both_numbers() -> None:
    with structlog.testing.capture_logs() as lines:
        assert connections_within(10_000, 1024) == 1024 - RESERVED
        assert connections_within(10_000, 10) == CONNECTIONS_MIN
    assert (lines[0]["descriptors"], lines[0]["connections_max"]) == (1024, 10_000)
