"""The Secrets of workers: made once, and again when a pod waits for one."""

from typing import Any

import pytest

from penstock_operator.kube.api_error import ApiError
from penstock_operator.nats.worker_secrets import AGAIN_S, WorkerSecrets
from penstock_runtime.clock import ManualClock

KEY = ("team", "main")


class Store:
    """The API server, as far as Secrets go."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.error: ApiError | None = None

    async def create_secret(self, secret: dict[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.created.append(secret["metadata"]["name"])


def secret(name: str = "main-worker-nats-1") -> dict[str, Any]:
    return {"metadata": {"namespace": "team", "name": name}}


async def test_it_is_made_once_and_another_one_when_the_credentials_change() -> None:
    store = Store()
    made = WorkerSecrets(store, ManualClock())
    for name in ("one", "one", "two", "two"):
        await made.provide(KEY, secret(name), waited_for=False)

    assert store.created == ["one", "two"]


async def test_a_pod_that_waits_for_its_volume_gets_it_again_but_not_all_the_time() -> None:
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


async def test_what_failed_is_tried_again_at_once() -> None:
    store = Store()
    made = WorkerSecrets(store, ManualClock())
    store.error = ApiError("Forbidden", "no right")
    with pytest.raises(ApiError):
        await made.provide(KEY, secret(), waited_for=False)
    store.error = None
    await made.provide(KEY, secret(), waited_for=False)

    assert store.created == ["main-worker-nats-1"]


async def test_a_route_that_is_made_again_gets_its_secret_again() -> None:
    store = Store()
    made = WorkerSecrets(store, ManualClock())
    await made.provide(KEY, secret(), waited_for=False)
    made.forget(KEY)
    await made.provide(KEY, secret(), waited_for=False)

    assert len(store.created) == 2
