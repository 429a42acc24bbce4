"""A run of the benchmark with chosen figures, as its bars and tables read it."""

from figures import Run
from loads import FirstTokens, Held, Loads, LongPrompts, Requests, Steady, Window
from measure import Measurement
from paced import Result, Times
from sizes import FULL, REQUEST_TOKENS

PROCESSES = ("1 python -m penstock_gateway", "2 python -m penstock_worker", "3 nats-server", "4 penstock dev")
TITLES = {"ours": "Penstock", "on": "Everything", "envoy": "Envoy", "tensorzero": "TensorZero", "hono": "Hono"}


def times(p50: float, p99: float) -> Times:
    return Times(100, p50, p99, 2 * p99)


ALONE, LOADED = times(1.0, 2.0), times(5.0, 10.0)


def result(first: Times, *, streams: int = 100, broken: int = 0, gap_p99: float = 22.0, over: int = 0) -> Result:
    return Result(
        streams=streams,
        ok=streams - broken,
        wrong=0,
        incomplete=broken,
        errors=[],
        tokens=1000,
        peak_live=streams,
        first_ms=first,
        gap_ms=times(20.0, gap_p99),
        tail_ms=times(0.1, 0.2),
        gaps_over_limit=over,
        gap_limit_ms=1000.0,
        seconds=10.0,
    )


def steady(measured: Result, cpu_us_per_token: float, *, tokens: int = 128_000) -> Steady:
    """The CPU is spent in equal parts by each process."""
    share = cpu_us_per_token * tokens / 1e6 / len(PROCESSES)
    return Steady(measured, Window(tokens, 10.0, dict.fromkeys(PROCESSES, share), 0.1, 0.0))


def loads(
    *,
    us: float = 50.0,
    alone: Times = ALONE,
    loaded: Times = LOADED,
    gap_p99: float = 22.0,
    request_ms: float = 2.0,
    closed_p99: float = 80.0,
    broken: int = 0,
    over: int = 0,
) -> Loads:
    first = FirstTokens(result(alone), result(alone))
    requests = Requests(
        steady(result(alone), request_ms * 1000 / REQUEST_TOKENS, tokens=3_000),
        steady(result(times(40.0, closed_p99)), request_ms * 500 / REQUEST_TOKENS, tokens=30_000),
    )
    held = steady(result(alone, streams=1500, broken=broken, over=over), us)
    return Loads(
        first,
        LongPrompts(result(times(20.0, 30.0)), 1.5),
        steady(result(loaded, gap_p99=gap_p99), us),
        requests,
        Held(held.result, held.window, dict.fromkeys(PROCESSES, 100.0), 3.0),
    )


def measurement(measured: Loads) -> Measurement:
    floor = FirstTokens(result(times(0.5, 1.0)), result(times(0.5, 1.0)))
    return Measurement(measured, floor, 1.5, dict.fromkeys(PROCESSES, 25.0), dict.fromkeys(PROCESSES, 50.0))


def run(before: Requests | None = None, **peers: Loads) -> Run:
    direct = loads(alone=times(0.5, 1.0), loaded=times(1.0, 4.0))
    measured = {name: measurement(each) for name, each in peers.items()}
    titles = {name: TITLES[name] for name in peers}
    return Run({"size": "full"}, FULL, titles, direct, measured, {}, before)
