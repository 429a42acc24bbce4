"""The bars: figures of a run against their limits. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from figures import Run, cpu_us, floors, hot_mib, idle_mib, ms_per_request
from loads import Loads
from measure import Measurement


@dataclass(frozen=True)
class Bar:
    """A number of this run against its limit."""

    what: str
    value: float | None  # None when a peer that it needs was not measured
    limit: float | None  # None for a number without a bar
    on: float | None = None
    """The same figure of the stack with everything on, for information."""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.limit is None:
            return "for information"
        return "met" if self.value <= self.limit else "MISSED"


def against_peers(run: Run) -> list[Bar]:
    """The bars of the first versions, as ratios to Hono and LiteLLM in the same run."""
    ours, hono, litellm = (run.peers.get(name) for name in ("ours", "hono", "litellm"))
    floor = floors(run)

    def hot_ratio() -> float | None:
        """None rather than a splendid 0 when no process was recognised."""
        hot = hot_mib(ours) if ours else 0
        return hot / idle_mib(litellm) if hot and litellm else None

    cpu = ours.loads.cpu.result if ours else None
    return [
        Bar("CPU per token ÷ Hono raw", _ratio(cpu_us, ours, hono), 0.75),
        Bar(
            "added first token p99, 1 stream ÷ LiteLLM",
            _ratio(lambda peer: peer.loads.first.alone.first_ms.p99 - floor.alone.p99, ours, litellm),
            1 / 3,
        ),
        Bar(
            "added first token p99, among streams ÷ LiteLLM",
            _ratio(lambda peer: peer.loads.first.among.first_ms.p99 - floor.among.p99, ours, litellm),
            1 / 3,
        ),
        Bar("idle memory of gateway + worker ÷ LiteLLM", hot_ratio(), 1 / 2),
        Bar("idle memory with nats-server and supervisor ÷ LiteLLM", _ratio(idle_mib, ours, litellm), None),
        Bar("start to first token ÷ LiteLLM", _ratio(lambda peer: peer.start_s, ours, litellm), 1 / 5),
        Bar("streams not whole, CPU load", cpu.streams - cpu.ok if cpu else None, 0),
    ]


def of_the_hot_path(run: Run) -> list[Bar]:
    """The bars of a token's and a request's cost."""
    ours, on, envoy, tensorzero = (run.peers.get(name) for name in ("ours", "on", "envoy", "tensorzero"))
    floor = floors(run)
    provider = run.direct.cpu.result.first_ms
    before = run.before.closed.result.first_ms.p99 if run.before else None

    def bar(what: str, limit: float, figure: Callable[[Loads], float]) -> Bar:
        return Bar(what, figure(ours.loads) if ours else None, limit, figure(on.loads) if on else None)

    streams, held = run.sizes.cpu_streams, run.sizes.held
    return [
        Bar("CPU per token, everything on ÷ Envoy", _ratio(cpu_us, on, envoy), 1.15),
        Bar("CPU per token, everything on ÷ TensorZero", _ratio(cpu_us, on, tensorzero), 0.75),
        Bar("CPU per token ÷ Envoy", _ratio(cpu_us, ours, envoy), 1.05),
        bar("added first token p50 ms, 1 stream", 2.0, lambda it: it.first.alone.first_ms.p50 - floor.alone.p50),
        bar("added first token p99 ms, 1 stream", 6.0, lambda it: it.first.alone.first_ms.p99 - floor.alone.p99),
        bar(f"… p50 ms under {streams} streams", 10.0, lambda it: it.cpu.result.first_ms.p50 - provider.p50),
        bar(f"… p99 ms under {streams} streams", 25.0, lambda it: it.cpu.result.first_ms.p99 - provider.p99),
        Bar(
            f"gap p99 under {streams} streams ÷ Envoy",
            _ratio(_gap_p99, ours, envoy),
            1.4,
            _ratio(_gap_p99, on, envoy),
        ),
        bar("CPU ms per request, 60/s", 2.5, lambda it: sum(ms_per_request(it.requests.paced).values())),
        bar("CPU ms per request, unpaced", 0.9, lambda it: sum(ms_per_request(it.requests.closed).values())),
        Bar(
            "first token p99 of unpaced requests ÷ the version before",
            ours.loads.requests.closed.result.first_ms.p99 / before if ours and before else None,
            1.0,
        ),
        bar(f"{held:,} held: streams not whole", 0, lambda it: it.held.result.streams - it.held.result.ok),
        bar(f"{held:,} held: gaps > 10 x pace", 0, lambda it: it.held.result.gaps_over_limit),
    ]


def _gap_p99(peer: Measurement) -> float:
    return peer.loads.cpu.result.gap_ms.p99


def _ratio(
    figure: Callable[[Measurement], float], mine: Measurement | None, theirs: Measurement | None
) -> float | None:
    return figure(mine) / figure(theirs) if mine and theirs else None
