"""A route scales from zero for a hundred requests at once, by one decision, serves each once, and returns to zero.

Waiting clients get keep-alive comments, and the reason if no worker can start. The times from the first request to
the first pod and to the first token are printed.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest_asyncio
from harness.kubernetes.api import DEPLOYMENTS, EVENTS, PODS, ROUTES, Api, Manifest
from harness.kubernetes.model_routes import condition
from harness.kubernetes.node.cluster import RealCluster
from harness.kubernetes.node.installation import Installation
from harness.kubernetes.readiness import is_ready
from harness.processes import until
from harness.streams.simulated_route import simulated_route
from harness.streams.stream_report import NOTE
from harness.streams.usage_rows import usage_rows
from harness.streams.waiting import Received, wait_for

from penstock_contract.usage.record import UsageRow
from penstock_worker.providers.simulated import token

REQUESTS = 100
SLOTS = 25
TOKENS = 20
HEARTBEATS = {"PENSTOCK_COMMIT_AFTER_S": "0.1", "PENSTOCK_PING_AFTER_S": "0.1"}
"""By default both are so long that a worker is there before."""
ZERO_S = 60.0
UNBOUNDED = httpx.Limits(max_connections=None)

Make = Callable[[Manifest], Awaitable[Manifest]]


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def impatient(cluster: RealCluster, installed: Installation) -> AsyncIterator[None]:
    """Gateways that send the first keep-alive comment early."""
    env = [{"name": name, "value": value} for name, value in HEARTBEATS.items()]
    await installed.install("--reuse-values", gateway={"env": env})
    async with cluster.api() as api:
        # For a moment the Service's address may still lead to those that go, and they are patient.
        await api.until_all(
            PODS.at(installed.namespace),
            lambda pods: all(map(is_ready, pods)),
            "the old gateways are gone",
            timeout_s=ZERO_S,
            labelSelector="app.kubernetes.io/component=gateway",
        )
    yield
    await installed.helm("rollback", installed.name, "--wait", namespace=installed.namespace)


def from_zero(name: str, **spec: Any) -> Manifest:
    windows = {"stableWindowSeconds": 5, "panicWindowSeconds": 1, "scaleToZeroAfterSeconds": 5}
    scaling = {"minReplicas": 0, "maxReplicas": 10, "concurrencyPerReplica": SLOTS, **windows}
    return simulated_route(name, per_second=20, tokens=TOKENS, scaling=scaling, **spec)


class Observer:
    """Of a route's Deployment and pods, as they change; `first_pod_at` and `first_ready_at` by the monotonic clock."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._namespace, self._name = namespace, name
        self.first_pod_at = self.first_ready_at = 0.0
        self.numbers: list[int] = []
        self._watching = [asyncio.create_task(self._watch_pods()), asyncio.create_task(self._watch_number())]

    async def close(self) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.wait(self._watching)

    async def _watch_pods(self) -> None:
        selector = f"penstock.dev/route={self._name}"
        async for pods in self._api.follow(PODS.at(self._namespace), labelSelector=selector):
            if pods and not self.first_pod_at:
                self.first_pod_at = time.monotonic()
            if not self.first_ready_at and any(map(is_ready, pods)):
                self.first_ready_at = time.monotonic()

    async def _watch_number(self) -> None:
        selector = f"metadata.name={self._name}-worker"
        async for deployments in self._api.follow(DEPLOYMENTS.at(self._namespace), fieldSelector=selector):
            for deployment in deployments:
                if self.numbers[-1:] != [replicas := deployment["spec"]["replicas"]]:
                    self.numbers.append(replicas)


def assert_served(received: list[Received]) -> None:
    assert not [one.error for one in received if one.error]
    assert all(one.whole for one in received)
    assert {one.text for one in received} == {"".join(map(token, range(TOKENS)))}
    assert min(one.pings for one in received) > 0, "waiting clients get keep-alive comments"


async def served_once(release: Installation, name: str) -> None:
    """By the books: a row for each request, and no work was done twice."""
    rows: list[UsageRow] = []

    async def closed() -> bool:
        rows[:] = [row for row in await usage_rows(release) if row.model == name]
        return len(rows) >= REQUESTS and all(row.ended for row in rows)

    await until(closed, "the books are closed")
    assert len({row.id for row in rows}) == len(rows) == REQUESTS
    assert {(row.ended, row.attempts, row.tokens.output) for row in rows} == {("stop", 1, TOKENS)}


async def test_scaling_serves_a_hundred_requests_from_zero_and_returns_to_zero(
    release: Installation, api: Api, route: Make, record_property: Callable[[str, object], None]
) -> None:
    # A name of this try's own: the rows of one before stay in the books.
    name, namespace = f"hundred-{secrets.token_hex(2)}", release.namespace
    await route(from_zero(name))
    observer = Observer(api, namespace, name)
    try:
        await until(lambda: observer.numbers, "the Deployment is there")
        assert observer.numbers == [0]
        assert not await release.workers(api, name)

        began = time.monotonic()
        async with await release.client(limits=UNBOUNDED) as client:
            received = await asyncio.gather(*(wait_for(client, name) for _ in range(REQUESTS)))
        assert_served(received)
        await served_once(release, name)

        await api.until_all(
            PODS.at(namespace),
            lambda pods: not pods,
            "no pod is left",
            timeout_s=ZERO_S,
            labelSelector=f"penstock.dev/route={name}",
        )
    finally:
        await observer.close()
    asleep, up, *down = observer.numbers
    assert (asleep, up) == (0, REQUESTS // SLOTS), "one decision, of what the backlog needs"
    # Those that are drained first go first.
    assert down == sorted(down, reverse=True), observer.numbers
    assert down[0] < up
    assert down[-1] == 0
    events = [event for event in await api.list(EVENTS.at(namespace)) if event["involvedObject"].get("name") == name]
    assert [event["reason"] for event in events if event["reason"] in {"FromZero", "DemandRose", "Panic"}] == [
        "FromZero"
    ]

    tokens_at = [one.first_token_at for one in received if one.first_token_at is not None]
    moments = {
        "first pod": observer.first_pod_at,
        "it is ready": observer.first_ready_at,
        "first token": min(tokens_at),
        f"first token of the last of {REQUESTS}": max(tokens_at),
    }
    record_property(NOTE, " → ".join(["publish", *(f"{what} {at - began:.2f} s" for what, at in moments.items())]))


async def test_gateway_sends_keep_alive_comments_and_the_reason_when_an_image_cannot_be_pulled(
    release: Installation, api: Api
) -> None:
    name = "unpullable"
    manifest = from_zero(name, worker={"image": "localhost/nobody-made-this:1"}, limits={"queueTimeoutSeconds": 8})
    path = ROUTES.at(release.namespace, name)
    await api.create(ROUTES.at(release.namespace), manifest)
    try:
        await api.until(path, lambda one: condition(one, "Serving").startswith("True"), "it is served", timeout_s=30)
        async with await release.client() as client:
            received = await wait_for(client, name)
    finally:
        await api.delete(path)
        await api.gone(path)
    assert received.pings > 0
    assert received.error is not None
    assert received.error["code"] == "queue_timeout"
    assert received.error["message"].startswith("no worker took the request within 8 s: "), received.error
    assert "image of its workers cannot be pulled" in received.error["message"]
