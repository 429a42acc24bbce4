"""The operator's cost: a start with many routes, many routes at rest, and routes that are created and deleted.

    .venv/bin/python benchmarks/operator_load.py [--rest 200] [--rest-s 120] [--start 1000] [--churn-s 0] [--json FILE]

A real API server (the tests' own control plane), a real nats-server, a real operator under the shipped rules, a node
of the harness whose pods are ready without a process. Four of five routes are at zero, one of five has one worker.

    start   the routes exist, the operator is started: time until it has listed them all, until each has its objects
            and its first status, and until the cluster's controllers (at their default 20 calls a second) have
            completed them; then the same with a second process that writes nothing
    rest    writes counted at the API server's audit log while nothing happens, memory and CPU
    churn   routes are created, changed and deleted for a while: memory over time
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from procs import process_cpu_s, process_memory_mib

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from harness.kubernetes.api import NAMESPACES, ROUTES, Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.model_routes import condition, model_route, settled
from harness.kubernetes.operator_process import OperatorProcess, Operators
from harness.kubernetes.pod_image import Image
from harness.nats_server import NatsServer
from harness.processes import until
from operator_load_report import Churn, Rest, Start, churned, rested, starts

IMAGE = "bench/hollow:1"
READY_S = 1800.0
AT_ONCE = 8
WITH_WORKER = 5
"""Every fifth route has one."""
SAMPLE_S = 5.0
LIVING = 50
"""Routes that a churn has at a time."""
_CALL = re.compile(r"^penstock_operator_api_calls_total\{(?P<labels>[^}]*)\} (?P<count>[0-9.e+]+)$", re.MULTILINE)


class Bench:
    """A control plane, broker and node for one measurement: nothing is left of an earlier one."""

    def __init__(self, cluster: Cluster, api: Api, namespace: str, operators: Operators) -> None:
        self._cluster, self._api, self._namespace, self._operators = cluster, api, namespace, operators

    async def start(self, count: int) -> list[Start]:
        await self._make_routes(count)
        return [await self._start(what, count) for what in ("nothing is there yet", "everything is there")]

    async def rest(self, count: int, seconds: float) -> Rest:
        await self._make_routes(count)
        operator = await self._operators.start()
        await self._until_all(count, is_well)
        # Numbers are written up to five seconds after they changed.
        await self._samples(operator, 2 * SAMPLE_S)
        mark, cpu_s = self._cluster.plane.audit_log.mark(), process_cpu_s(operator.process.pid)
        memory = await self._samples(operator, seconds)
        written = self._operators.writes(mark)
        others = Counter(f"{w.verb} {w.resource}/{w.subresource} {w.code}" for w in written if w.resource != "leases")
        return Rest(
            routes=count,
            seconds=seconds,
            writes=dict(others),
            renewals=len(written) - others.total(),
            cpu_share=(process_cpu_s(operator.process.pid) - cpu_s) / seconds,
            memory_mib=memory,
        )

    async def churn(self, seconds: float) -> Churn:
        operator = await self._operators.start()
        sampling = asyncio.create_task(self._samples(operator, seconds))
        made = 0
        while not sampling.done():
            await self._api.create(ROUTES.at(self._namespace), route(made))
            made += 1
            if (middle := made - LIVING // 2) >= 0:
                change = {"spec": {"limits": {"queueDepth": 7}, "worker": {"env": [{"name": "A", "value": "b"}]}}}
                await self._api.patch(ROUTES.at(self._namespace, f"route-{middle}"), change)
            if (old := made - LIVING) >= 0:
                await self._api.delete(ROUTES.at(self._namespace, f"route-{old}"))
        return Churn(seconds, made, await sampling)

    async def _make_routes(self, count: int) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def make(number: int) -> None:
            async with slots:
                await self._api.create(ROUTES.at(self._namespace), route(number))

        await asyncio.gather(*map(make, range(count)))

    async def _start(self, what: str, count: int) -> Start:
        mark = self._cluster.plane.audit_log.mark()
        reporting = asyncio.create_task(self._until_all(count, is_accepted))
        settling = asyncio.create_task(self._until_all(count, is_well))
        began = time.perf_counter()
        operator = await self._operators.start(ready=False)
        await until(lambda: operator.process.events("operator.synced"), "it has seen all", timeout_s=READY_S)
        synced_s = time.perf_counter() - began
        reported_s = await reporting - began
        settled_s = await settling - began
        await self._quiet(operator)
        found = Start(
            what=what,
            routes=count,
            synced_s=synced_s,
            reported_s=reported_s,
            settled_s=settled_s,
            cpu_s=process_cpu_s(operator.process.pid),
            memory_mib=process_memory_mib(operator.process.pid),
            writes=sum(write.resource != "leases" for write in self._operators.writes(mark)),
            calls=calls(await operator.metrics()),
        )
        operator.process.terminate()
        await operator.process.exited(timeout_s=20)
        return found

    async def _until_all(self, count: int, holds: Callable[[Mapping[str, Any]], bool]) -> float:
        """Wait for that many routes' statuses, by one watch; returns the time of the last one."""
        there: set[str] = set()
        watch = self._api.watch(ROUTES.at(self._namespace))
        async with asyncio.timeout(READY_S), aclosing(watch) as events:
            async for event in events:
                if event.kind in {"ADDED", "MODIFIED"} and holds(event.object):
                    there.add(event.object["metadata"]["name"])
                if len(there) >= count:
                    break
        return time.perf_counter()

    async def _quiet(self, operator: OperatorProcess) -> None:
        """Wait until nothing is left in its queue: what it has begun belongs to its beginning."""

        async def idle() -> bool:
            found = re.search(r"^penstock_operator_queue_depth\S* (\S+)$", await operator.metrics(), re.MULTILINE)
            return found is not None and float(found[1]) == 0

        await until(idle, "its queue is empty", timeout_s=READY_S)

    async def _samples(self, operator: OperatorProcess, seconds: float) -> list[float]:
        """Its memory, every few seconds for so long."""
        end = time.perf_counter() + seconds
        found = []
        while time.perf_counter() < end:
            await asyncio.sleep(SAMPLE_S)
            found.append(process_memory_mib(operator.process.pid))
        return found


def route(number: int) -> dict[str, Any]:
    scaling = {"minReplicas": int(number % WITH_WORKER == 0), "maxReplicas": 4}
    return model_route(f"route-{number}", models=(f"model-{number}",), scaling=scaling)


def is_accepted(found: Mapping[str, Any]) -> bool:
    return settled(found) and condition(found, "Accepted") == "True Accepted"


def is_well(found: Mapping[str, Any]) -> bool:
    wanted = found["spec"]["scaling"]["minReplicas"]
    serving = "True Serving" if wanted else "True Idle"
    return (
        settled(found) and condition(found, "Ready") == serving and condition(found, "ScalingActive") == "True Active"
    )


def calls(metrics: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for match in _CALL.finditer(metrics):
        labels = dict(re.findall(r'penstock_api_(\w+)="([^"]*)"', match["labels"]))
        found[f"{labels['verb']} {labels['resource']} {labels['code']}"] += int(float(match["count"]))
    return dict(found.most_common())


@asynccontextmanager
async def surroundings() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        cluster = Cluster()
        stack.callback(cluster.end)
        await cluster.start()
        node = await cluster.add_node()
        await node.push(IMAGE, Image(hollow=True))
        api = await stack.enter_async_context(cluster.api())
        namespace = f"bench-{secrets.token_hex(4)}"
        await api.create(NAMESPACES.at(), {"metadata": {"name": namespace}})
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-bench-")))
        nats = NatsServer(directory)
        stack.push_async_callback(nats.process.end)
        await nats.listening()
        operators = Operators(cluster, api, namespace, nats.url, IMAGE, directory)
        stack.push_async_callback(operators.close)
        yield Bench(cluster, api, namespace, operators)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"load": os.getloadavg()}
    if options.start:
        async with surroundings() as bench:
            found["start"] = await bench.start(options.start)
        print(starts(found["start"]), flush=True)
    if options.rest:
        async with surroundings() as bench:
            found["rest"] = await bench.rest(options.rest, options.rest_s)
        print(rested(found["rest"]), flush=True)
    if options.churn_s:
        async with surroundings() as bench:
            found["churn"] = await bench.churn(options.churn_s)
        print(churned(found["churn"]), flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=int, default=1000, metavar="ROUTES", help="0: not; default: %(default)s")
    parser.add_argument("--rest", type=int, default=200, metavar="ROUTES", help="0: not; default: %(default)s")
    parser.add_argument("--rest-s", type=float, default=120, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--churn-s", type=float, default=0, metavar="SECONDS", help="0: not; default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    options = parser.parse_args()
    found = asyncio.run(measure(options))
    if options.json:
        options.json.write_text(json.dumps(found, default=asdict, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
