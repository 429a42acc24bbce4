"""The Secrets of workers: made once, and again when a pod waits for one."""

from typing import Any

import pytest

from penstock_operator.kube.api_error import ApiError
from penstock_operator.nats.worker_secrets import AGAIN_S, WorkerSecrets
from penstock_runtime.clock import ManualClock

KEY = ("team", "main")


class Store:
    """An API server with Secrets only."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.error: ApiError | None = None

    async def create_secret(self, secret: dict[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.created.append(secret["metadata"]["name"])


def secret(name: str = "main-worker-nats-1") -> dict[str, Any]:
    return {"metadata": {"namespace": "team", "name": name}}


async def test_worker_secret_is_created_once_and_another_when_the_credentials_change() -> None:
    store = Store()
    made = WorkerSecrets(store, ManualClock())
    for name in ("one", "one", "two", "two"):
        await made.provide(KEY, secret(name), waited_for=False)

    assert store.created == ["one", "two"]


async def test_worker_secret_is_created_again_for_a_waiting_pod_at_a_bounded_rate() -> None:
    store, clock = Store(), ManualClock()
    made = WorkerSecrets(store, clock)
    await made.provide(KEY, secret(), waited_for=False)
    for _ in range(3):
        await made.provide(KEY, secret(), waited_for=True)
    assert len(store.created) == 1

    clock.advance(AGAIN_S)
    for _ in range(3):
        await made.provide(KEY, secret(), waited_for=True)
    assert len(store.created) == 2


async def test_worker_secret_creation_is_retried_at_once_after_a_failure() -> None:
    store = Store()
    made = WorkerSecrets(store, ManualClock())
    store.error = ApiError("Forbidden", "no right")
    with pytest.raises(ApiError):
        await made.provide(KEY, secret(), waited_for=False)
    store.error = None
    await made.provide(KEY, secret(), waited_for=False)

    assert store.created == ["main-worker-nats-1"]


async def test_worker_secret_of_a_recreated_route_is_created_again() -> None:
    store = Store()
    made = WorkerSecrets(store, ManualClock())
    await made.provide(KEY, secret(), waited_for=False)
    made.remove(KEY)
    await made.provide(KEY, secret(), waited_for=False)

    assert len(store.created) == 2
