"""The Secrets with the workers' credentials for the broker: made by us, and never seen again.

Who may read or patch one Secret of a namespace by any name may read them all, providers' keys too. So we have the right
to create and no other, and remember what we made. A Secret that somebody has deleted shows in a pod that waits for its
volume: then it is made again.
"""

from typing import Final, Protocol

from penstock_operator.kube.cache import Body, Key
from penstock_operator.reconcile.manifests import Manifest
from penstock_runtime.clock import Clock

AGAIN_S: Final = 15.0
"""A pod that pulls a large image looks the same as one that waits for its volume."""


class SecretStore(Protocol):
    async def create_secret(self, secret: Body) -> None:
        """Does nothing if one of this name is there. Raises `ApiError`."""


class WorkerSecrets:
    def __init__(self, store: SecretStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._made: dict[Key, tuple[str, float]] = {}

    async def provide(self, key: Key, secret: Manifest, *, waited_for: bool) -> None:
        """See that the route has this Secret. `waited_for`: a pod may be missing it. Raises `ApiError`."""
        name, now = secret["metadata"]["name"], self._clock.monotonic()
        made, at = self._made.get(key, ("", 0.0))
        if made == name and not (waited_for and now - at >= AGAIN_S):
            return
        await self._store.create_secret(secret)
        self._made[key] = (name, now)

    def forget(self, key: Key) -> None:
        """The route is gone, and its Secrets with it."""
        self._made.pop(key, None)
