"""Bars are ratios within a run, and a missed one is named."""

import pytest
from bars import Bar, of_the_hot_path
from figures import Run
from unit.support.benchmark_run import loads, run, times


def _bars(measured: Run) -> dict[str, Bar]:
    return {bar.what: bar for bar in of_the_hot_path(measured)}


@pytest.mark.parametrize(
    ("value", "limit", "verdict"),
    [(1.0, 1.0, "met"), (1.01, 1.0, "MISSED"), (None, 1.0, "not measured"), (1.0, None, "for information")],
)
def test_bars_state_a_verdict(value: float | None, limit: float | None, verdict: str) -> None:
    assert Bar("a", value, limit).verdict == verdict


def test_bars_of_tokens_are_ratios_to_the_peer_that_they_name() -> None:
    bars = _bars(run(ours=loads(us=40.0), on=loads(us=42.0), envoy=loads(us=32.0), tensorzero=loads(us=60.0)))
    assert bars["CPU per token ÷ Envoy"].value == pytest.approx(40 / 32)
    assert bars["CPU per token, everything on ÷ Envoy"].value == pytest.approx(42 / 32)
    assert bars["CPU per token, everything on ÷ TensorZero"].value == pytest.approx(42 / 60)
    assert bars["CPU per token ÷ Envoy"].verdict == "MISSED"
    assert bars["CPU per token, everything on ÷ TensorZero"].verdict == "met"


def test_bars_of_first_tokens_are_above_the_providers_own() -> None:
    ours = loads(alone=times(2.25, 6.5), loaded=times(11.5, 30.0), gap_p99=33.0)
    bars = _bars(run(ours=ours, on=loads(alone=times(3.5, 9.0)), envoy=loads(gap_p99=22.0)))
    assert bars["added first token p50 ms, 1 stream"].value == pytest.approx(1.75)
    assert bars["added first token p99 ms, 1 stream"].value == pytest.approx(5.5)
    assert bars["… p50 ms under 256 streams"].value == pytest.approx(10.5)
    assert bars["… p99 ms under 256 streams"].value == pytest.approx(26.0)
    assert bars["gap p99 under 256 streams ÷ Envoy"].value == pytest.approx(1.5)
    assert bars["added first token p50 ms, 1 stream"].on == pytest.approx(3.0)


def test_bars_of_requests_count_all_processes() -> None:
    bars = _bars(run(ours=loads(request_ms=2.4)))
    assert bars["CPU ms per request, 60/s"].value == pytest.approx(2.4)
    assert bars["CPU ms per request, unpaced"].value == pytest.approx(1.2)
    assert bars["CPU ms per request, unpaced"].verdict == "MISSED"


def test_bars_compare_unpaced_first_tokens_with_the_version_before() -> None:
    name = "first token p99 of unpaced requests ÷ the version before"
    ours = loads(closed_p99=60.0)
    assert _bars(run(ours=ours))[name].verdict == "not measured"
    assert _bars(run(loads(closed_p99=80.0).requests, ours=ours))[name].value == pytest.approx(0.75)


def test_bars_of_held_streams_allow_no_broken_stream_and_no_long_gap() -> None:
    bars = _bars(run(ours=loads(broken=1, over=2)))
    assert (bars["1,500 held: streams not whole"].value, bars["1,500 held: gaps > 10 x pace"].value) == (1, 2)
    assert all(bar.verdict == "MISSED" for name, bar in bars.items() if name.startswith("1,500"))


def test_bars_without_their_peers_are_not_measured() -> None:
    assert {bar.verdict for bar in of_the_hot_path(run())} == {"not measured"}
