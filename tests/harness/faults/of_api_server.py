"""Faults of the API server, of the connection to it, and of the routes in it."""

import copy
from typing import Any

import httpx
from harness.faults.scene import REPORTED_S, Fault, Scene
from harness.kubernetes.api import ROUTES, ApiError, Resource
from harness.kubernetes.model_routes import model_route
from harness.processes import until

CRD = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions").at(name="modelroutes.penstock.dev")
LEASE_LOST = 3
"""The exit code of an operator that could not renew its lease."""
UPSIDE_DOWN = {"minReplicas": 5, "maxReplicas": 2}


async def connections_stranded(scene: Scene) -> None:
    await scene.serve()
    scene.site.link.strand()
    await scene.inject(scene.change(worker={"image": "test/none:1"}))
    await scene.reports("Ready", "False ImagePullFailed", "test/none:1: not found")
    await scene.cure("the image is named right", scene.change(worker={"image": None}))
    await scene.recovers()


async def way_silent(scene: Scene) -> None:
    await scene.serve()
    scene.site.link.silence()
    await scene.inject()
    process = scene.site.operator.process
    assert await process.exited(REPORTED_S) == LEASE_LOST
    scene.record_report(f"the operator ends with exit code {LEASE_LOST}, as its lease does")
    await scene.site.link.mend()
    await scene.change(limits={"queueDepth": 7})
    # As a kubelet restarts a container: the pod is the same, and so is the holder of the lease.
    again = scene.site.start_operator(PENSTOCK_IDENTITY=process.name)
    await scene.cure("it is started again, with a way", again)
    await scene.recovers()


async def server_away(scene: Scene) -> None:
    plane = scene.site.cluster.plane
    await scene.serve()
    mark = plane.audit_log.mark()
    plane.api_server.kill()
    await scene.inject()
    await scene.site.operator.process.logged("operator.lease_not_renewed")
    scene.record_report("log operator.lease_not_renewed, and nothing is written")
    plane.start_api_server()
    await scene.cure("it is back", plane.api_server_ready())
    await scene.change(limits={"queueDepth": 7})
    await scene.recovers()
    assert [write for write in scene.site.operators.writes(mark) if write.resource == "deployments"] == []


async def rules_removed(scene: Scene) -> None:
    await scene.serve()
    crd = await scene.api.get(CRD)
    try:
        await scene.api.patch(CRD, {"spec": {"versions": _without_rules(crd["spec"]["versions"])}})
        await until(lambda: _lets_through(scene), "the rules are gone")
        await scene.inject(scene.change(scaling=UPSIDE_DOWN))
        await scene.reports("Accepted", "False InvalidSpec", "minReplicas must not be more than maxReplicas")
        await scene.cure("the spec is put right", scene.change(scaling={"minReplicas": 1}))
        await scene.recovers()
    finally:
        await scene.api.patch(CRD, {"spec": {"versions": crd["spec"]["versions"]}})
        await until(lambda: _refuses(scene), "the rules are back")


def _without_rules(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_rules(value) for key, value in schema.items() if key != "x-kubernetes-validations"}
    return [_without_rules(item) for item in schema] if isinstance(schema, list) else copy.copy(schema)


async def _lets_through(scene: Scene) -> bool:
    try:
        await scene.api.create(f"{ROUTES.at(scene.namespace)}?dryRun=All", model_route("probe", scaling=UPSIDE_DOWN))
    except (ApiError, httpx.TransportError):
        return False
    return True


async def _refuses(scene: Scene) -> bool:
    return not await _lets_through(scene)


FAULTS = (
    Fault("connections to the API server are stranded", connections_stranded),
    Fault("the CRD's rules were removed", rules_removed, hollow=True),
    Fault("the way to the API server is silent", way_silent, hollow=True),
    Fault("the API server is away", server_away, hollow=True),
)
"""One after the other, the last one when no other test needs the API server."""
