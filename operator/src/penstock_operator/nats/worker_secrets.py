"""Creates the Secrets with the workers' NATS credentials, without a right to read them.

A right to read or patch Secrets of any name would include all Secrets of the namespace, with the providers' keys. So
the operator may only create them, and remembers which it created. A deleted Secret is detected by a pod that waits for
its volume: then it is created again.
"""

from typing import Final, Protocol

from penstock_operator.kube.resources import Body, Key
from penstock_runtime.clock import Clock

AGAIN_S: Final = 15.0
"""A pod that pulls a large image looks the same as one that waits for its volume."""


class SecretStore(Protocol):
    async def create_secret(self, secret: Body) -> None:
        """Does nothing if one of this name exists. Raises `ApiError`."""


class WorkerSecrets:
    def __init__(self, store: SecretStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._made: dict[Key, tuple[str, float]] = {}

    async def provide(self, key: Key, secret: Body, *, waited_for: bool) -> None:
        """Creates the route's Secret, unless already done. `waited_for`: a pod may lack it. Raises `ApiError`."""
        name, now = secret["metadata"]["name"], self._clock.monotonic()
        made, at = self._made.get(key, ("", 0.0))
        if made == name and not (waited_for and now - at >= AGAIN_S):
            return
        await self._store.create_secret(secret)
        self._made[key] = (name, now)

    def remove(self, key: Key) -> None:
        """Call when the route was deleted, and its Secrets with it."""
        self._made.pop(key, None)
