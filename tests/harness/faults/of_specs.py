"""Specs that the API server let through and the operator cannot serve."""

from harness.faults.scene import Fault, Scene
from harness.kubernetes.api import ROUTES


async def name_conflict(scene: Scene) -> None:
    older = f"a-{scene.name}"  # of two that are made within one second the first by name is the older
    await scene.create(older, models=("claimed-twice",), scaling={})
    await scene.inject(scene.create(models=("claimed-twice",)))
    owner = f"the model claimed-twice belongs to the route {scene.namespace}/{older}"
    await scene.reports("Accepted", "False ModelNameConflict", owner)
    await scene.cure("the older route goes", scene.api.delete(ROUTES.at(scene.namespace, older)))
    await scene.recovers()


async def variable_taken(scene: Scene) -> None:
    await scene.serve()
    env = [{"name": "PENSTOCK_ROUTE", "value": "another"}]
    await scene.inject(scene.change(worker={"env": env}))
    await scene.reports("Accepted", "False InvalidSpec", "worker: env must not set PENSTOCK_ROUTE")
    await scene.cure("the variable is removed", scene.change(worker={"env": None}))
    await scene.recovers()


async def quantities_at_odds(scene: Scene) -> None:
    await scene.serve()
    await scene.inject(scene.change(worker={"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}))
    await scene.reports("Accepted", "False InvalidSpec", "must be less than or equal to cpu limit")
    await scene.cure("less is requested", scene.change(worker={"resources": {"requests": {"cpu": "1m"}}}))
    await scene.recovers()


FAULTS = (
    Fault("a model's name belongs to another route", name_conflict, hollow=True),
    Fault("a variable of the worker is the operator's", variable_taken, hollow=True),
    Fault("the API server refuses the pod's template", quantities_at_odds, hollow=True),
)
