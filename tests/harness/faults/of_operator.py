"""Faults while no operator runs: the next operator repairs them, and routes that need no repair serve on."""

from harness.faults.scene import Fault, Scene
from harness.kubernetes.api import DEPLOYMENTS, NAMESPACES, ROUTES
from harness.kubernetes.model_routes import catalogue_of
from harness.processes import until

from penstock_operator.reconcile.pod_template import GRACE_MARGIN_S

NOBODY = "nobody is there to tell"


async def _stop(scene: Scene) -> None:
    process = scene.site.operator.process
    process.terminate()
    await process.exited()


async def route_deleted_meanwhile(scene: Scene) -> None:
    await scene.serve()
    await _stop(scene)
    await scene.inject(scene.api.delete(ROUTES.at(scene.namespace, scene.name)))
    scene.record_no_report(NOBODY)
    async with catalogue_of(scene.site.nats.url) as entries:
        key = f"{scene.namespace}.{scene.name}"
        assert key in entries
        await scene.cure("an operator runs", scene.site.start_operator())
        await scene.restored(until(lambda: key not in entries, "the catalogue has dropped it"))


async def deployment_edited_meanwhile(scene: Scene) -> None:
    await scene.serve()
    await _stop(scene)
    path = DEPLOYMENTS.at(scene.namespace, scene.worker)
    grace = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}
    await scene.inject(scene.api.patch(path, grace))
    scene.record_no_report(NOBODY)
    await scene.cure("an operator runs", scene.site.start_operator())
    await scene.recovers()
    await scene.restored(scene.api.until(path, _has_its_grace, "the grace period is ours again"))


def _has_its_grace(deployment: dict[str, object]) -> bool:
    return f"'terminationGracePeriodSeconds': {660 + GRACE_MARGIN_S}" in str(deployment["spec"])


async def namespace_deleted_meanwhile(scene: Scene) -> None:
    # Without a pod: the namespace's controller would wait for its grace period, in steps of half of it.
    await scene.serve(scaling={"minReplicas": 0})
    await _stop(scene)
    path = NAMESPACES.at(name=scene.namespace)
    await scene.inject(scene.api.delete(path))
    scene.record_no_report(NOBODY)
    await scene.restored(scene.api.gone(path, timeout_s=30))


FAULTS = (
    Fault("the route is deleted while no operator runs", route_deleted_meanwhile, hollow=True),
    Fault("the Deployment is edited while no operator runs", deployment_edited_meanwhile, hollow=True),
    Fault("the namespace is deleted while no operator runs", namespace_deleted_meanwhile, extra="leaving", hollow=True),
)
"""After the last one no operator is left."""
