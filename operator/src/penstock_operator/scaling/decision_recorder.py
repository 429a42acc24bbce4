"""Records changes of a route's number of workers as a metric and as a Kubernetes Event."""

from penstock_contract.route.status import LastDecision
from penstock_operator.kube.event_recorder import EventRecorder
from penstock_operator.kube.resources import Key
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.metrics import Metrics


class DecisionRecorder:
    def __init__(self, cache: ClusterCache, recorder: EventRecorder, metrics: Metrics) -> None:
        self._cache = cache
        self._recorder = recorder
        self._metrics = metrics

    async def record(self, key: Key, decision: LastDecision) -> None:
        """Call after the number of a route's workers was changed."""
        self._metrics.decided(f"{key[0]}.{key[1]}", decision.reason)
        if (body := self._cache.routes().get(key)) is not None:
            note = f"from {decision.from_} to {decision.to} workers: {decision.message}"
            await self._recorder.record(body, decision.reason, note, action="Scale")
