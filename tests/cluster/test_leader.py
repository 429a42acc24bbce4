"""Two operators and one lease: the standby takes over from the leader, and never do both write."""

import asyncio
import time
from pathlib import Path

import pytest
from harness.gateway import Gateway, Reader
from harness.kubernetes.api import DEPLOYMENTS, LEASES, ROUTES, Api, Manifest
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.model_routes import condition, model_route, served
from harness.kubernetes.operator_process import Operators
from harness.kubernetes.scaling import ScaledRoute, scale_writes
from harness.link import Link
from harness.nats_server import NatsServer
from harness.processes import until

LEASE = "penstock-operator"
TOKENS = 480
"""Half a minute of them, twice what a takeover takes."""


async def held_by(api: Api, namespace: str, identity: str, *, within_s: float) -> Manifest:
    return await api.until(
        LEASES.at(namespace, LEASE),
        lambda lease: lease["spec"].get("holderIdentity") == identity,
        f"{identity} leads",
        timeout_s=within_s,
    )


async def test_leader_killed_is_replaced_within_twenty_seconds_without_scaling(
    api: Api, cluster: Cluster, namespace: str, operators: Operators
) -> None:
    scaling = {"mode": "Manual", "replicas": 2}
    first = await operators.start()
    await api.create(ROUTES.at(namespace), model_route(scaling=scaling))
    await api.until(ROUTES.at(namespace, "main"), served, "it is served", timeout_s=30)
    second = await operators.start()
    mark = cluster.plane.audit_log.mark()

    first.process.kill()
    began = time.monotonic()
    await held_by(api, namespace, "operator-2", within_s=20)
    took_s = time.monotonic() - began
    assert took_s > 10, "it took over while the first could have been alive"
    await api.create(ROUTES.at(namespace), model_route("next", models=("next",)))
    await api.until(ROUTES.at(namespace, "next"), served, "the new leader serves")
    assert second.process.alive
    assert [w for w in operators.writes(mark) if w.resource == "deployments" and w.name == "main-worker"] == []
    assert (await api.get(DEPLOYMENTS.at(namespace, "main-worker")))["spec"]["replicas"] == 2


@pytest.mark.timeout(120)
async def test_leader_killed_interrupts_no_stream_and_scales_nothing(
    api: Api, cluster: Cluster, namespace: str, nats: NatsServer, operators: Operators, tmp_path: Path
) -> None:
    """`mode: Auto`, with streams that last beyond the takeover and then nothing to do."""
    first = await operators.start()
    route = ScaledRoute(api, namespace)
    await route.create(tokens=TOKENS, per_second=16, concurrencyPerReplica=1)
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await gateway.has_model("simulated")
        readers = [Reader(gateway, TOKENS) for _ in range(2)]
        reads = [asyncio.create_task(reader.read()) for reader in readers]
        for reader in readers:
            async with asyncio.timeout(40):
                await reader.begun.wait()
        second = await operators.start()
        mark = cluster.plane.audit_log.mark()
        first.process.kill()
        await held_by(api, namespace, "operator-2", within_s=20)
        await second.ready()
        assert not any(read.done() for read in reads), "they were to last longer"
        await asyncio.gather(*reads)
        assert all(reader.whole for reader in readers)
        assert scale_writes(operators, mark) == 0
        await route.requests_replicas(0)
        assert second.process.alive


async def test_leader_ends_on_sigterm_and_is_replaced_within_three_seconds(
    api: Api, namespace: str, operators: Operators
) -> None:
    first = await operators.start()
    await held_by(api, namespace, "operator-1", within_s=5)
    await operators.start()
    began = time.monotonic()
    first.process.terminate()
    await held_by(api, namespace, "operator-2", within_s=5)
    assert time.monotonic() - began <= 3
    await until(lambda: not first.process.alive, "the first has ended")
    assert time.monotonic() - began <= 3
    assert first.process.exit_code == 0


async def test_standby_leaves_the_lease_alone_on_sigterm(api: Api, namespace: str, operators: Operators) -> None:
    first = await operators.start()
    second = await operators.start()
    second.process.terminate()
    await until(lambda: not second.process.alive, "the standby has ended")
    assert second.process.exit_code == 0
    await held_by(api, namespace, "operator-1", within_s=1)
    assert first.process.alive


async def test_leader_without_its_api_server_exits_and_the_standby_leads(
    api: Api, cluster: Cluster, namespace: str, operators: Operators
) -> None:
    link = await Link.start(cluster.plane.port)
    try:
        first = await operators.start(server=f"https://127.0.0.1:{link.port}")
        await operators.start()
        link.silence()
        await held_by(api, namespace, "operator-2", within_s=20)
        await until(lambda: not first.process.alive, "the first has ended")
        assert first.process.exit_code == 3
        assert "operator.lease_lost" in first.process.log()
    finally:
        await link.close()


async def test_leader_change_writes_nothing_for_unchanged_routes(
    api: Api, cluster: Cluster, namespace: str, operators: Operators
) -> None:
    first = await operators.start()
    for number in range(5):
        await api.create(ROUTES.at(namespace), model_route(f"r{number}", models=(f"m{number}",)))
        await api.until(
            ROUTES.at(namespace, f"r{number}"),
            lambda route: served(route) and condition(route, "ScalingActive") == "True Active",
            "it is served",
        )
    second = await operators.start()
    mark = cluster.plane.audit_log.mark()
    first.process.terminate()
    await held_by(api, namespace, "operator-2", within_s=5)
    await api.create(ROUTES.at(namespace), model_route("next", models=("next",)))
    await api.until(
        ROUTES.at(namespace, "next"),
        lambda route: served(route) and condition(route, "ScalingActive") == "True Active",
        "the new leader serves",
    )
    assert [write for write in operators.writes(mark) if write.name.startswith("r")] == []
    assert second.process.alive
