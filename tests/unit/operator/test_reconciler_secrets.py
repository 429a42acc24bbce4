"""The workers' credentials for the broker exist before the pods that mount them."""

import secrets

import pytest
from unit.support.reconcilers import KEY, Stage
from unit.support.routes import pod, waiting

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.nats.keys import NatsKeys
from penstock_operator.nats.worker_secrets import AGAIN_S
from penstock_operator.reconcile.pod_template import WorkerDefaults
from penstock_operator.work_queue import Later

MINTING = WorkerDefaults(
    image="penstock:1",
    nats_url="nats://broker",
    signing_key=NatsKeys.new(secrets.token_bytes, 1_790_000_000).signing_key,
)


async def test_reconciler_creates_worker_credentials_once_and_before_the_pods_that_mount_them() -> None:
    made = Stage(MINTING)
    made.put()
    first = await made.run()
    assert first[:3] == ["create Secret main-worker-nats", "apply ServiceAccount", "apply Deployment"]
    await made.run()
    assert await made.run() == []


async def test_reconciler_creates_the_secret_again_for_a_pod_that_waits_for_its_volume() -> None:
    made = Stage(MINTING)
    made.put()
    await made.run()
    await made.run()
    waiting_pod = pod(state=waiting("ContainerCreating"))
    waiting_pod["metadata"] |= {"uid": "p", "resourceVersion": "1000", "labels": {"penstock.dev/route": "main"}}
    made.cache.observe(resources.PODS, waiting_pod, deleted=False)
    made.clock.advance(AGAIN_S)

    assert "create Secret main-worker-nats" in await made.run()
    assert (KEY, AGAIN_S) in made.again


async def test_reconciler_starts_no_pod_without_the_right_to_create_its_secret() -> None:
    made = Stage(MINTING)
    made.errors["create Secret main-worker-nats"] = ApiError("Forbidden", "cannot create secrets")
    made.put()
    with pytest.raises(Later, match="cannot create secrets"):
        await made.run()
    assert not any(what.startswith("apply") for what in made.journal)
