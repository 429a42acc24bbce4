"""A repeated error is logged when it begins, and then at intervals."""

from penstock_broker.log_throttle import AGAIN_S, KINDS_MAX, LogThrottle


def test_log_throttle_logs_the_first_error_at_once_and_then_a_count_at_intervals() -> None:
    throttle = LogThrottle()
    logged = [(second / 5, throttle.due("refused", second / 5)) for second in range(int(AGAIN_S * 5 * 2) + 1)]
    assert [one for one in logged if one[1] is not None] == [(0, 1), (AGAIN_S, AGAIN_S * 5), (2 * AGAIN_S, AGAIN_S * 5)]


def test_log_throttle_logs_another_error_at_once_and_keeps_the_first() -> None:
    throttle = LogThrottle()
    assert [throttle.due(what, 0) for what in ("a", "b", "a", "b")] == [1, 1, None, None]


def test_log_throttle_logs_an_error_anew_after_its_end() -> None:
    throttle = LogThrottle()
    throttle.due("refused", 0)
    throttle.reset()
    assert throttle.due("refused", 1) == 1


def test_log_throttle_remembers_a_bounded_number_of_errors() -> None:
    throttle = LogThrottle()
    for number in range(10 * KINDS_MAX):
        assert throttle.due(str(number), 0) == 1
    assert len(throttle._logged_at) <= KINDS_MAX
    assert len(throttle._times) <= KINDS_MAX
