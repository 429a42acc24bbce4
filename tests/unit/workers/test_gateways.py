"""A worker finds out that a gateway is gone, and does not take its own absence for that."""

from penstock_worker.gateways import LOST_S, Gateways

TICK_S = 0.25


def look(gateways: Gateways, since: float, until: float, *, connected: bool = True) -> set[str]:
    """Look at every tick; whoever was lost."""
    ticks = int((until - since) / TICK_S)
    return {name for tick in range(1, ticks + 1) for name in gateways.look(since + tick * TICK_S, connected=connected)}


def serving(now: float = 0.0) -> Gateways:
    gateways = Gateways(TICK_S)
    gateways.look(now, connected=True)
    gateways.serve("gw", now)
    return gateways


def test_a_gateway_that_falls_silent_is_lost_once() -> None:
    gateways = serving()
    assert look(gateways, 0, LOST_S) == set()
    assert look(gateways, LOST_S, LOST_S + 0.5) == {"gw"}
    assert look(gateways, LOST_S + 0.5, 20) == set()


def test_a_gateway_that_is_heard_is_not() -> None:
    gateways = serving()
    for second in range(10):
        gateways.heard("gw", second)
        assert look(gateways, second, second + 1) == set()


def test_another_request_of_a_gateway_that_is_silent_gives_it_no_more_time() -> None:
    gateways = serving()
    assert look(gateways, 0, 3) == set()
    gateways.serve("gw", 3)
    assert look(gateways, 3, LOST_S + 0.5) == {"gw"}


def test_without_a_broker_nobody_is_lost() -> None:
    gateways = serving()
    assert look(gateways, 0, 60, connected=False) == set()
    assert look(gateways, 60, 60 + LOST_S) == set()
    assert look(gateways, 60 + LOST_S, 61 + LOST_S) == {"gw"}


def test_a_worker_that_got_no_processor_waits_for_what_was_said_meanwhile() -> None:
    gateways = serving()
    assert gateways.look(60, connected=True) == set()
    gateways.heard("gw", 60)
    assert look(gateways, 60, 60 + LOST_S) == set()
