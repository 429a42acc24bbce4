"""Parts of the scaling tests: short windows, a route's Deployment, and the writes of its replicas."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

from harness.kubernetes.api import DEPLOYMENTS, ROUTES, Api, Manifest
from harness.kubernetes.model_routes import condition, model_route, settled
from harness.kubernetes.operator_process import Operators
from harness.processes import until

from penstock_broker import queue_state
from penstock_broker.connection import Connection
from penstock_broker.queue import enqueue
from penstock_contract import codec, subjects
from penstock_contract.stream.frames import Activation

QUICK = {"stableWindowSeconds": 3, "panicWindowSeconds": 1, "scaleToZeroAfterSeconds": 3}
"""As short as they may be, but for the time that a heartbeat takes."""


def answers(tokens: int, per_second: float) -> list[Manifest]:
    """A provider whose every answer takes this long."""
    simulated = {"tokens": tokens, "tokensPerSecond": per_second}
    return [{"name": "simulated", "type": "Simulated", "simulated": simulated}]


class ScaledRoute:
    """The route "main" with the model "simulated"."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self.path = ROUTES.at(namespace, "main")
        self.deployment_path = DEPLOYMENTS.at(namespace, "main-worker")

    async def create(self, *, tokens: int = 4, per_second: float = 100, **scaling: Any) -> None:
        """Returns when the operator has written its status."""
        limits = {"queueTimeoutSeconds": 60}
        spec = {"providers": answers(tokens, per_second), "limits": limits, "scaling": {**QUICK, **scaling}}
        await self._api.create(ROUTES.at(self._namespace), model_route(**spec))
        await self._api.until(self.path, settled, "a status")

    async def rescale(self, **scaling: Any) -> None:
        await self._api.patch(self.path, {"spec": {"scaling": scaling}})

    async def requests_replicas(self, replicas: int, *, timeout_s: float = 20) -> Manifest:
        """Wait until the Deployment does."""
        return await self._api.until(
            self.deployment_path,
            lambda one: one["spec"]["replicas"] == replicas,
            f"the Deployment asks for {replicas}",
            timeout_s=timeout_s,
        )

    async def replicas(self) -> int:
        return int((await self._api.get(self.deployment_path))["spec"]["replicas"])

    async def has(self, type_: str, text: str, *, timeout_s: float = 10) -> Manifest:
        """Wait until a condition has this status and reason."""
        return await self._until(lambda route: condition(route, type_) == text, f"{type_} is {text}", timeout_s)

    async def reports(self, holds: Callable[[Any], bool], what: str, *, timeout_s: float = 10) -> Manifest:
        """Wait until the status is so."""
        return await self._until(lambda route: holds(route.get("status", {})), what, timeout_s)

    async def _until(self, holds: Callable[[Manifest], bool], what: str, timeout_s: float) -> Manifest:
        return await self._api.until(self.path, holds, what, timeout_s=timeout_s)


class Requests:
    """Requests without a client, unreadable for workers: for the queue's length alone."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    async def queue(self, route: str = "main") -> None:
        """Returns when the broker has it."""
        subject = subjects.request(self._namespace, route, subjects.ANONYMOUS_TENANT)
        await enqueue(self._connection, subject, b"", message_id=secrets.token_hex(8), headers={})

    async def waiting(self, count: int, route: str = "main") -> None:
        """Wait until so many are in the queue that no worker has."""

        async def so_many() -> bool:
            return (await queue_state.read(self._connection, self._namespace, route)).pending == count

        await until(so_many, f"{count} wait")

    async def wake(self, route: str = "main") -> None:
        """Call for workers, as a gateway."""
        await self._connection.publish(subjects.activation(self._namespace, route), codec.encode(Activation("test")))


@contextlib.asynccontextmanager
async def requests_of(nats_url: str, namespace: str) -> AsyncIterator[Requests]:
    connection = Connection(nats_url, "test", inbox_prefix="_INBOX_test")
    await connection.start()
    try:
        yield Requests(connection, namespace)
    finally:
        await connection.close()


def scale_writes(operators: Operators, since: int) -> int:
    """The number of the operator's writes of a Deployment's replicas."""
    return sum(
        (write.resource, write.subresource) == ("deployments", "scale") for write in operators.writes(since=since)
    )
