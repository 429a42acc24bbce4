"""Tokens per second from the reports that were read."""

from penstock_contract.fleet.gateway_report import GatewayReport, RouteCounts
from penstock_gateway.fleet.output_rate import STALE_S, WINDOW_S, OutputRate, OutputRates


def test_output_rate_is_the_increase_over_its_window() -> None:
    rate = OutputRate()
    for second in range(40):
        rate.add({"a.b": 100 * second if second > 20 else 0}, second)
    assert rate.per_second("a.b") == 100.0
    assert rate.per_second("other.route") == 0.0


def test_output_rate_needs_two_samples() -> None:
    rate = OutputRate()
    assert not rate.is_known(0.0)
    rate.add({"a.b": 10}, 0.0)
    assert rate.is_known(1.0)
    assert rate.per_second("a.b") == 0.0
    rate.add({"a.b": 30}, 2.0)
    assert rate.per_second("a.b") == 10.0


def test_output_rate_is_never_negative() -> None:
    rate = OutputRate()
    rate.add({"a.b": 30}, 0.0)
    rate.add({"a.b": 10}, 1.0)
    assert rate.per_second("a.b") == 0.0


def test_output_rate_forgets_samples_after_a_pause() -> None:
    rate = OutputRate()
    rate.add({"a.b": 0}, 0.0)
    late = STALE_S + 1
    assert not rate.is_known(late)
    rate.add({"a.b": 1000}, late)
    rate.add({"a.b": 1010}, late + 1)
    assert rate.per_second("a.b") == 10.0


def test_output_rate_is_not_shortened_by_several_readers() -> None:
    rate = OutputRate()
    for step in range(400):
        rate.add({"a.b": step}, step / 20)
    assert rate.per_second("a.b") == 20.0
    oldest = rate._samples[0][0]
    assert 400 / 20 - oldest >= WINDOW_S - 1
    assert len(rate._samples) <= 60


def test_output_rates_forget_a_gateway_that_does_not_report() -> None:
    rates = OutputRates()

    def report(gateway: str, tokens: int, open_: int) -> GatewayReport:
        counts = RouteCounts(route="a.b", output_tokens=tokens, open_output_tokens=open_)
        return GatewayReport(gateway=gateway, version="1", routes=[counts])

    rates.add([report("gw-1", 0, 5), report("gw-2", 0, 0)], 0.0)
    rates.add([report("gw-1", 20, 0)], 1.0)
    rates.add([report("gw-1", 20, 15), report("gw-2", 100, 0)], 2.0)
    assert rates.per_second("gw-1", "a.b") == 15.0
    assert rates.per_second("gw-2", "a.b") == 0.0
    assert not rates.is_known("gw-3", 2.0)
