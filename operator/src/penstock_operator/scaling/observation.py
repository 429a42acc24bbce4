"""What the autoscaler saw of one route at one moment, or that it could not see."""

from msgspec import Struct


class Observation(Struct, frozen=True, kw_only=True):
    """One consistent look at a route.

    `replicas` is what the Deployment asks for now, pods that still start included. `draining` counts those of its
    workers that were told to drain; a pod that is already being deleted is in neither number. `ready` workers pull:
    they send heartbeats and do not drain. `pending` requests are queued and not delivered. `in_flight` are on workers
    that do not drain: a stream that ends with its worker is no demand for another one.
    """

    replicas: int
    ready: int
    draining: int
    pending: int
    in_flight: int

    @property
    def demand(self) -> int:
        """Both parts: in flight alone is capped by the slots and would never ask for more of them."""
        return self.pending + self.in_flight

    @property
    def serving(self) -> int:
        """The workers that a decision is about: ready ones and those that will be."""
        return max(0, self.replicas - self.draining)


class Unavailable(Struct, frozen=True):
    """Demand is unknown, which is never zero. `reason` is in CamelCase, like `BrokerUnavailable` or `QueueMissing`.

    The Deployment may be known all the same: `serving` is its `replicas` less those that drain. None: as last observed.
    """

    reason: str
    serving: int | None = None
