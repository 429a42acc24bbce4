"""A trouble that comes again and again is told when it begins, and then once in a while."""

from penstock_broker.log_throttle import AGAIN_S, KINDS_MAX, LogThrottle


def test_it_is_told_at_once_and_then_once_in_a_while_with_how_often_it_came() -> None:
    throttle = LogThrottle()
    told = [(second / 5, throttle.due("refused", second / 5)) for second in range(int(AGAIN_S * 5 * 2) + 1)]
    assert [one for one in told if one[1] is not None] == [(0, 1), (AGAIN_S, AGAIN_S * 5), (2 * AGAIN_S, AGAIN_S * 5)]


def test_another_one_is_told_at_once_and_does_not_make_the_first_new() -> None:
    throttle = LogThrottle()
    assert [throttle.due(what, 0) for what in ("a", "b", "a", "b")] == [1, 1, None, None]


def test_when_it_is_over_the_next_is_new() -> None:
    throttle = LogThrottle()
    throttle.due("refused", 0)
    throttle.reset()
    assert throttle.due("refused", 1) == 1


def test_however_many_there_are_only_so_many_are_remembered() -> None:
    throttle = LogThrottle()
    for number in range(10 * KINDS_MAX):
        assert throttle.due(str(number), 0) == 1
    assert len(throttle._told_at) <= KINDS_MAX
    assert len(throttle._times) <= KINDS_MAX
