"""Two checkouts at the same moment: what a change does to the CPU per token or per request on a busy box.

    .venv/bin/python benchmarks/versions.py ../before [--rounds 3] [--streams 150]
    .venv/bin/python benchmarks/versions.py ../before --requests [--rounds 3]

Each is `penstock dev` out of its checkout's own `.venv` (after `make setup` there), this one second. Both are loaded at
once, so that what a box takes away hits both: the same code twice comes out within 1 % per token, in turns within 20 %,
and within 5 % per request. With `--requests`, six clients read one stream of five tokens after another at 50 tokens/s:
about 60 requests/s for each checkout. The columns before the ratio are sums over all processes of a checkout.
"""

import argparse
import signal
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import paced
from abreast import Way, abreast, at_once, cpu
from peers import REPOSITORY, Place
from peers.ours import Before
from procs import Tree

KEY = "sk-" + "0" * 64
REQUEST_TOKENS = 5
PROCESSES = ("gateway", "worker", "nats-server", "other")


def start(repository: Path, work: Path, provider: int) -> Way:
    work.mkdir()
    port = paced.free_port()
    tree = Tree(
        Before(repository).command(Place(work, port, provider, KEY)).argv,
        env={"TMPDIR": str(work), "XDG_DATA_HOME": str(work)},
        cwd=work,
        log=work / "log",
    )
    paced.await_first_token(port, KEY, tree)
    return Way(str(repository), tree, port, KEY)


def requests(binary: Path, way: Way) -> None:
    """Streams of 5 tokens at 50 tokens/s; adds to `cpu_us` what a request cost in all processes."""
    edges: list[tuple[int, dict[str, float]]] = []
    flags = {"slots": 6, "tokens": REQUEST_TOKENS, "pace": "20ms", "ramp": "1s", "warm": "2s", "window": "12s"}
    result = paced.run_client(
        binary, way.port, lambda tokens, _client: edges.append((tokens, way.tree.cpu_s())), **flags, key=way.key
    )
    if result.incomplete:
        raise RuntimeError(f"{way.name}: {result.errors}\n{way.tree.tail()}")
    (tokens, cpu_s), (tokens_later, cpu_s_later) = edges
    count = (tokens_later - tokens) / REQUEST_TOKENS
    way.cpu_us.append(1e6 * (sum(cpu_s_later.values()) - sum(cpu_s.values())) / count)
    for process, seconds in cpu_s_later.items():
        kind = next((kind for kind in PROCESSES if kind in process), "other")
        way.process_us[kind].append(1e6 * (seconds - cpu_s.get(process, 0.0)) / count)


def measure(other: Path, rounds: int, load: Callable[[Path, Way], None], unit: str) -> None:
    with abreast(partial(start, other), partial(start, REPOSITORY)) as (binary, ways):
        print(f"| CPU per {unit}, µs | before | now | now ÷ before |\n|---|--:|--:|--:|")
        for number in range(rounds):
            at_once(partial(load, binary), ways if number % 2 == 0 else ways[::-1])
            before, now = (way.cpu_us[-1] for way in ways)
            print(f"| round {number + 1} | {before:.1f} | {now:.1f} | {now / before:.3f} |", flush=True)
    ratios = [now / before for before, now in zip(*(way.cpu_us for way in ways), strict=True)]
    print(f"| median of the ratios | | | {statistics.median(ratios):.3f} |")
    for kind in PROCESSES:
        if all(way.process_us[kind] for way in ways):
            before, now = (sum(way.process_us[kind]) / rounds for way in ways)
            print(f"| mean of {kind} | {before:.1f} | {now:.1f} | {now / before:.3f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout with the version before")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=150, help="of each; 120 and more make a worker a busy one")
    parser.add_argument("--requests", action="store_true", help="the CPU per request instead of per token")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whatever ends us, what we started ends, too
    if options.requests:
        measure(options.other, options.rounds, requests, "request")
    else:
        measure(options.other, options.rounds, lambda binary, way: cpu(binary, way, "15s", options.streams), "token")
    return 0


if __name__ == "__main__":
    sys.exit(main())
