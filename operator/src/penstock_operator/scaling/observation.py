"""One route's load at one moment, or that it is unknown."""

from msgspec import Struct


class Observation(Struct, frozen=True, kw_only=True):
    """One consistent observation of a route.

    `replicas` is the Deployment's number, including pods that still start. `draining` counts those of its workers that
    were requested to drain; a pod that is being deleted is in neither number. `ready` workers pull: they send
    heartbeats and do not drain. `pending` requests are queued and not delivered. `in_flight` are on workers that do not
    drain: a stream that ends with its worker is no demand for another one.
    """

    replicas: int
    ready: int
    draining: int
    pending: int
    in_flight: int

    @property
    def demand(self) -> int:
        """Both parts: in flight alone is limited by the slots and would never require more of them."""
        return self.pending + self.in_flight

    @property
    def serving(self) -> int:
        """The workers that a decision counts: ready and starting ones."""
        return max(0, self.replicas - self.draining)


class Unavailable(Struct, frozen=True):
    """Demand is unknown, which never means zero. `reason` is in CamelCase, as `BrokerUnavailable` or `QueueMissing`.

    The Deployment may be known: `serving` is its `replicas` less the draining ones. None: as last observed.
    """

    reason: str
    serving: int | None = None
