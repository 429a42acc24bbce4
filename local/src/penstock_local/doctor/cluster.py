"""Checks of a release in a cluster, by kubectl: Jobs, Deployments and StatefulSets of the chart, and ModelRoutes.

Helm reports that a Job failed, not why: a pod that no node takes, or whose image cannot be pulled, writes no log.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from penstock_local.doctor import workloads
from penstock_local.doctor.diagnosis import Diagnosis, ok, problem, warning
from penstock_local.doctor.kubectl import Kubectl, KubectlFailedError
from penstock_local.doctor.workloads import Workload

ADVICE: Final = {
    "unschedulable": "free or add what the message names, or change the resources, nodeSelector or tolerations"
    " of this component in the chart's values",
    "image": "push the image, or correct image.registry, image.tag and imagePullSecrets in the chart's values",
    "other": "correct what the message names",
}
AGAIN: Final = "; then run helm again"


def check(namespace: str, context: str | None) -> Iterator[Diagnosis]:
    kubectl = Kubectl(namespace, context)
    try:
        objects = kubectl.objects()
    except KubectlFailedError as error:
        advice = "install kubectl, or correct KUBECONFIG or --context; Jobs, pods and Events must be readable"
        yield problem("kubectl", str(error), advice)
        return
    found = workloads.of_release(objects)
    if not found:
        advice = "name another namespace, or install the chart: helm install penstock charts/penstock"
        yield problem("release", f"no release of the chart in the namespace {namespace}", advice)
        return
    for workload in found:
        yield _diagnosis(workload, kubectl)
    yield from _routes(kubectl)


def _diagnosis(workload: Workload, kubectl: Kubectl) -> Diagnosis:
    check, name = workload.kind.lower(), workload.name
    if workload.state == "running":
        return ok(check, f"{name} {'has ended' if check == 'job' else 'runs'}")
    if workload.cause is None:
        if workload.state == "failed":
            return problem(check, f"{name} failed", f"kubectl -n {kubectl.namespace} describe job {name}")
        return warning(check, f"{name} is not ready yet", "run this again; nothing is known to be wrong")
    cause = workload.cause
    if cause.kind != "exit":
        again = AGAIN if check == "job" else ""
        return problem(check, f"{name}: {cause.message}", ADVICE[cause.kind] + again)
    line = kubectl.last_line(cause.pod)
    found = f"{name}: {cause.message}" + (f": {line}" if line else "")
    return problem(check, found, f"kubectl -n {kubectl.namespace} logs {cause.pod}")


def _routes(kubectl: Kubectl) -> Iterator[Diagnosis]:
    try:
        routes = kubectl.objects("modelroutes.penstock.dev")
    except KubectlFailedError as error:
        yield problem("routes", str(error), "install the definition: crds.enabled, or ask the cluster's administrator")
        return
    for route in routes:
        yield _route(route)


def _route(route: Mapping[str, Any]) -> Diagnosis:
    name = route["metadata"]["name"]
    conditions = {one["type"]: one for one in route.get("status", {}).get("conditions", ())}
    ready = conditions.get("Ready")
    if ready is None:
        return warning("route", f"{name} has no status", "the operator writes it; is its Deployment running?")
    if ready["status"] == "True":
        return ok("route", f"{name} is ready")
    found = f"{name} is not ready: {ready.get('reason', '')}: {ready.get('message', '')}"
    return problem("route", found, "docs/reference/conditions.md has the reason")
