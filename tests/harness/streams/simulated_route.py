"""A ModelRoute with the Simulated provider, and workers so small that ten of them fit on a test's node."""

from typing import Any

from harness.kubernetes.api import Manifest
from harness.kubernetes.model_routes import model_route

SMALL = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
TOKENS_MAX = 1000


def simulated_route(name: str, *, per_second: float, tokens: int = TOKENS_MAX, **spec: Any) -> Manifest:
    """Its model has the route's name. A client that requests fewer than `tokens` gets that many."""
    simulated = {"tokens": tokens, "tokensPerSecond": per_second}
    spec = {"worker": {}, **spec}
    return model_route(
        name,
        models=(name,),
        providers=[{"name": "simulated", "type": "Simulated", "simulated": simulated}],
        **{**spec, "worker": {"resources": SMALL, **spec["worker"]}},
    )
