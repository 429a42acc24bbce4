"""The cost of keys, limits, a budget, prices and traces: the same load with and without them, in the same seconds.

    .venv/bin/python benchmarks/meters.py [--rounds 8] [--quick]

Two `penstock dev` run side by side, started anew for each round. One has its defaults; the other requires a key with
every kind of limit, all too high to be reached, has prices, and exports a span of every request and all metrics over
OTLP. Both are loaded at the same time, so that other load of the machine affects both. A bar is for the median of the
rounds' own ratios: first token p99 at 32 streams at most 1.1 times, CPU per token at most 1.05 times. A missed bar is
printed; the exit status stays 0.
"""

import argparse
import signal
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import install
import paced
from abreast import Way, abreast, at_once, cpu
from collector import collecting
from peers import Metered, Ours, Place
from peers.ours import new_key
from procs import Box, Tree

STREAMS, CPU_STREAMS = 32, 64
EVERY_MS = 1700
HALF_S = EVERY_MS / STREAMS / 2 / 1000
"""Each stack gets a request every 53 ms, the second one in the middle between two of the first one.

At the same instant both would need more than the two cores, and a request would also wait for that of the other stack.
"""
SAMPLES = 720
"""First tokens of each stack, twice in a round: each stack once is the one that gets its requests in the middle."""


def start(name: str, collector: str, work: Path, provider: int, *, metered: bool) -> Way:
    work.mkdir()
    port = paced.free_port()
    peer = Metered() if metered else Ours()
    place = Place(work, port, provider, new_key(), collector)
    command = peer.command(place)
    env = {**command.env, "TMPDIR": str(work)}
    if not metered:
        env |= {"PENSTOCK_AUTHENTICATION": "off", "PENSTOCK_FIRST_KEY": place.key}
    tree = Tree(command.argv, env=env, cwd=work, log=work / "log")
    paced.await_first_token(port, place.key, tree)
    return Way(name, tree, port, peer.client_key(place))


def first_tokens(binary: Path, streams: int, second: Way, way: Way) -> None:
    if way is second:
        time.sleep(HALF_S)
    every = f"{EVERY_MS}ms"
    flags = {"slots": STREAMS, "streams": streams, "tokens": 16, "pace": "100ms", "ramp": every, "every": every}
    result = paced.run_client(binary, way.port, **flags, key=way.key)
    if result.incomplete:
        raise RuntimeError(f"{way.name}: {result.errors}\n{way.tree.tail()}")
    way.first_ms.append(result.first_ms.p50)
    way.p99_ms.append(result.first_ms.p99)


def measure(rounds: int, streams: int, *, quick: bool) -> int:
    starts = {name: partial(start, name, metered=name == "with") for name in ("without", "with")}
    ways: dict[str, list[Way]] = {name: [] for name in starts}
    before = Box.read()
    with collecting(install.load_binary()) as collector:
        for number in range(rounds):
            # Two processes of the same code differ, and the stack that starts second is slower: each does in turn.
            names = list(starts) if number % 2 == 0 else list(starts)[::-1]
            with abreast(*(partial(starts[name], collector.url) for name in names)) as (binary, pair):
                for second in pair:
                    at_once(partial(first_tokens, binary, 64 if quick else SAMPLES, second), pair)
                at_once(lambda way: cpu(binary, way, "4s" if quick else "10s", streams), pair)
            for way in pair:
                ways[way.name].append(way)
                install.print_line(
                    f"round {number + 1}, {way.name}: first token p50 {_pair(way.first_ms)} ms,"
                    f" p99 {_pair(way.p99_ms)} ms, {way.cpu_us[0]:.2f} CPU-µs per token"
                )
        collector.check()
    after = Box.read()
    print("| median of the rounds | without | with | ratio, by pairs | bar |\n|---|--:|--:|--:|--:|")
    pairs: dict[str, str] = {}
    for title, name_, bar in (
        (f"first token p50, {STREAMS} streams, ms", "first_ms", None),
        (f"first token p99, {STREAMS} streams, ms", "p99_ms", 1.1),
        (f"CPU per token, {streams} streams, µs", "cpu_us", 1.05),
    ):
        without, with_ = ([statistics.fmean(getattr(way, name_)) for way in ways[name]] for name in starts)
        ratios = [b / a for a, b in zip(without, with_, strict=True)]
        ratio = statistics.median(ratios)
        verdict = "" if bar is None else f"≤ {bar} {'met' if ratio <= bar else 'MISSED'}"
        print(
            f"| {title} | {statistics.median(without):.2f} | {statistics.median(with_):.2f} | {ratio:.3f} | {verdict} |"
        )
        pairs[title] = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"\nstolen {after.stolen_s - before.stolen_s:.0f} s; the pairs:")
    for title, pair in pairs.items():
        print(f"- {title}: {pair}")
    return 0


def _pair(times_ms: list[float]) -> str:
    return " and ".join(f"{time_ms:.2f}" for time_ms in times_ms)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--streams", type=int, default=CPU_STREAMS, help="of the CPU load; fewer on a busy box")
    parser.add_argument("--quick", action="store_true", help="a smoke test: short loads, numbers not worth quoting")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whatever ends us, what we started ends, too
    return measure(options.rounds, options.streams, quick=options.quick)


if __name__ == "__main__":
    sys.exit(main())
