"""Time from a request's publication at zero replicas to the number on the route's Deployment.

    .venv/bin/python benchmarks/activation.py [--tries 100] [--json FILE]

A real API server (the tests' own control plane), a real nats-server and a real operator under the shipped rules. Per
try, on a route of its own at zero: publish a request and an activation as a gateway does; the
time ends when a watch has the Deployment's new number. The reference, in turn with it, is one plain PATCH of the
`/scale` of a Deployment without an operator, by the same client. The bar: p99 at most 5 times the reference's.

No node takes the pods: the measurement ends before they start.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from harness.kubernetes.api import DEPLOYMENTS, NAMESPACES, ROUTES, Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.model_routes import model_route
from harness.kubernetes.operator_process import Operators
from harness.kubernetes.scaling import requests_of
from harness.nats_server import NatsServer
from harness.processes import until

BAR = 5.0
WARM_UP = 10
READY_S = 120.0


class Numbers:
    """The replicas of each Deployment as a watch has them, with their times."""

    def __init__(self) -> None:
        self._times: dict[str, dict[int, float]] = {}
        self._changed = asyncio.Condition()

    async def follow(self, api: Api, namespace: str) -> None:
        async with aclosing(api.watch(DEPLOYMENTS.at(namespace))) as events:
            async for event in events:
                at = time.perf_counter()
                if event.kind in {"ADDED", "MODIFIED"}:
                    name, replicas = event.object["metadata"]["name"], event.object["spec"]["replicas"]
                    self._times.setdefault(name, {}).setdefault(replicas, at)
                async with self._changed:
                    self._changed.notify_all()

    async def reached(self, name: str, replicas: int) -> float:
        async with self._changed, asyncio.timeout(READY_S):
            await self._changed.wait_for(lambda: replicas in self._times.get(name, {}))
        return self._times[name][replicas]


@asynccontextmanager
async def surroundings(tries: int) -> AsyncIterator[tuple[Api, str, NatsServer, Numbers]]:
    async with AsyncExitStack() as stack:
        cluster = Cluster()
        stack.callback(cluster.end)
        await cluster.start()
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-bench-")))
        api = await stack.enter_async_context(cluster.api())
        namespace = f"bench-{secrets.token_hex(4)}"
        await api.create(NAMESPACES.at(), {"metadata": {"name": namespace}})
        nats = NatsServer(directory)
        stack.push_async_callback(nats.process.end)
        await nats.listening()
        numbers = Numbers()
        following = asyncio.create_task(numbers.follow(api, namespace))
        stack.callback(following.cancel)
        operators = Operators(cluster, api, namespace, nats.url, "bench/none", directory)
        stack.push_async_callback(operators.close)
        await operators.start()
        await api.create(DEPLOYMENTS.at(namespace), unattended())
        for number in range(tries):
            await api.create(ROUTES.at(namespace), model_route(f"route-{number}", models=(f"model-{number}",)))
        for number in range(tries):
            await numbers.reached(f"route-{number}-worker", 0)
        await until(lambda: all_idle(api, namespace), "the routes are at rest", timeout_s=READY_S)
        yield api, namespace, nats, numbers


async def all_idle(api: Api, namespace: str) -> bool:
    routes = await api.list(ROUTES.at(namespace))
    return all(
        any(
            one["type"] == "Serving" and one["reason"] == "Idle"
            for one in route.get("status", {}).get("conditions", ())
        )
        for route in routes
    )


def unattended() -> dict[str, Any]:
    labels = {"app": "unattended"}
    container = {"name": "none", "image": "bench/none"}
    return {
        "metadata": {"name": "unattended"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


async def measure(tries: int) -> tuple[list[float], list[float]]:
    """Seconds of each activation and of each plain PATCH."""
    woken: list[float] = []
    patched: list[float] = []
    total = tries + WARM_UP
    async with AsyncExitStack() as stack:
        api, namespace, nats, numbers = await stack.enter_async_context(surroundings(total))
        request = await stack.enter_async_context(requests_of(nats.url, namespace))
        scale = DEPLOYMENTS.at(namespace, "unattended", "scale")
        for number in range(total):
            began = time.perf_counter()
            await request.queue(f"route-{number}")
            await request.wake(f"route-{number}")
            woken.append(await numbers.reached(f"route-{number}-worker", 1) - began)
            began = time.perf_counter()
            await api.patch(scale, {"spec": {"replicas": number % 2 + 1}})
            patched.append(time.perf_counter() - began)
    return woken[WARM_UP:], patched[WARM_UP:]


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured, in seconds")
    options = parser.parse_args()
    woken, patched = asyncio.run(measure(options.tries))
    print("| ms | p50 | p99 | max |\n|---|--:|--:|--:|")
    for name, values in (("publish at zero replicas → scale write seen", woken), ("plain PATCH of /scale", patched)):
        numbers = (quantile(values, 0.5), quantile(values, 0.99), max(values))
        print(f"| {name} | {' | '.join(f'{1000 * number:.1f}' for number in numbers)} |")
    ratios = [quantile(woken, share) / quantile(patched, share) for share in (0.5, 0.99)]
    verdict = "held" if ratios[1] <= BAR else "missed"
    print(f"\n{options.tries} tries. Ratio: p50 {ratios[0]:.1f}, p99 {ratios[1]:.1f} (bar: p99 ≤ {BAR:.0f}, {verdict})")
    if options.json:
        options.json.write_text(json.dumps({"woken": woken, "patched": patched}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
