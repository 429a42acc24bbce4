"""Summary of a route's pods and Deployment: how many serve, and the problems of the others; pure.

Reads `metadata.{name,creationTimestamp,deletionTimestamp}`, the `env` of containers, and `status` of a pod.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import Struct

from penstock_operator.status import pod_problems
from penstock_operator.status.pod_problems import Problem


class Survey(Struct, frozen=True, kw_only=True):
    """`wanted` is None without a Deployment. `replicas` are pods that are not being deleted.

    `draining` finish their streams, because of the autoscaler or a deletion. `rolling`: pods of an older template are
    among `replicas`; `unobserved`: the Deployment changed, and its controller has not observed it yet. `creating`: a
    container has not been created, perhaps because a volume is missing. `proven_secrets` are (name, key) of secrets
    with which a container was created.
    """

    wanted: int | None = None
    replicas: int = 0
    ready: int = 0
    starting: int = 0
    draining: int = 0
    rolling: bool = False
    unobserved: bool = False
    creating: bool = False
    problems: tuple[Problem, ...] = ()
    proven_secrets: frozenset[tuple[str, str]] = frozenset()

    @property
    def due(self) -> int:
        """Workers that should take requests: the wanted ones less the draining ones that are still counted."""
        return max(0, (self.wanted or 0) - (self.replicas - self.ready - self.starting))


def survey(
    pods: Iterable[Mapping[str, Any]],
    deployment: Mapping[str, Any] | None,
    draining: AbstractSet[str] = frozenset(),
) -> Survey:
    """`draining` are names of the pods that the autoscaler requested to drain."""
    # The oldest first: a message that names another pod each time would be a write each time.
    ordered = sorted(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))
    living = [pod for pod in ordered if not _finished(pod)]
    active = [pod for pod in living if "deletionTimestamp" not in pod["metadata"]]
    working = [pod for pod in active if pod["metadata"]["name"] not in draining]
    ready = [pod for pod in working if pod_problems.condition(pod, "Ready").get("status") == "True"]
    wanted = deployment["spec"].get("replicas", 1) if deployment is not None else None
    status = deployment.get("status", {}) if deployment is not None else {}
    generation = deployment["metadata"].get("generation", 0) if deployment is not None else 0
    found = [*pod_problems.of_pods(working), *pod_problems.of_deployment(status)]
    if len(ready) < (wanted or 0):
        # An evicted pod remains as a record. It matters until it is replaced.
        found += pod_problems.of_evictions(pod for pod in ordered if _finished(pod))
    return Survey(
        wanted=wanted,
        replicas=len(active),
        ready=len(ready),
        starting=len(working) - len(ready),
        draining=len(living) - len(working),
        rolling=status.get("replicas", 0) > status.get("updatedReplicas", 0),
        unobserved=status.get("observedGeneration", 0) < generation,
        creating=any(_is_creating(pod) for pod in working),
        problems=pod_problems.one_of_each_reason(found),
        proven_secrets=frozenset(ref for pod in living for ref in _proven_secrets(pod)),
    )


def _finished(pod: Mapping[str, Any]) -> bool:
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def _is_creating(pod: Mapping[str, Any]) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return any(one.get("state", {}).get("waiting", {}).get("reason") == "ContainerCreating" for one in statuses)


def _proven_secrets(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    statuses = pod.get("status", {}).get("containerStatuses", ())
    made = {one["name"] for one in statuses if _was_made(one)}
    for container in pod.get("spec", {}).get("containers", ()):
        for env in container.get("env", ()) if container["name"] in made else ():
            match env:
                case {"valueFrom": {"secretKeyRef": {"name": str(name), "key": str(key)}}}:
                    yield name, key


def _was_made(container: Mapping[str, Any]) -> bool:
    state, last = container.get("state", {}), container.get("lastState", {})
    return "running" in state or "terminated" in state or "terminated" in last
