"""Routes of a namespace that does not match the operator's selector any more."""

from typing import Any

import pytest
from unit.support.reconcilers import KEY, Stage
from unit.support.routes import route_body

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.reconcile.namespace_release import UNREPORTED_S
from penstock_operator.reconcile.owned_object import INSTALLATION
from penstock_operator.reconcile.pod_template import WorkerDefaults

OURS = WorkerDefaults(image="penstock:1", nats_url="nats://ours", installation="ai")


async def served() -> Stage:
    """A route that this installation serves with two workers."""
    run = Stage(OURS)
    run.put()
    await run.run()
    await run.run()
    deployment = live(run)
    deployment["metadata"] = {**deployment["metadata"], "resourceVersion": version(run)}
    deployment["spec"] = {**deployment["spec"], "replicas": 2}
    run.cache.observe(resources.DEPLOYMENTS, deployment, deleted=False)
    run.journal.clear()
    return run


def version(run: Stage) -> str:
    """The next one of the fake API server."""
    return str(next(run._versions))


def live(run: Stage) -> dict[str, Any]:
    deployment = run.cache.snapshot(KEY).deployment
    assert deployment is not None
    return dict(deployment)


async def test_namespace_release_withdraws_the_route_and_takes_the_mark_off_last() -> None:
    run = await served()
    await run.reconciler.release(KEY)
    assert run.journal == ["unpublish", "status", "event", "scale team/main-worker 0", "annotate team/main-worker"]
    assert run.conditions() == {"Ready": "False NamespaceNotServed"}
    assert INSTALLATION not in live(run)["metadata"]["annotations"]
    assert run.registry.ownership.owners == {}
    # All is done: another pass writes nothing.
    run.journal.clear()
    await run.reconciler.release(KEY)
    assert run.journal == []


async def test_namespace_release_is_undone_when_the_namespace_matches_again() -> None:
    run = await served()
    await run.reconciler.release(KEY)
    writes = await run.run()
    assert "apply Deployment" in writes
    assert "publish" in writes
    assert live(run)["metadata"]["annotations"][INSTALLATION] == "ai"


async def test_namespace_release_leaves_a_route_of_another_installation_alone() -> None:
    run = await served()
    deployment = live(run)
    annotations = {**deployment["metadata"]["annotations"], INSTALLATION: "llm"}
    deployment["metadata"] = {**deployment["metadata"], "annotations": annotations, "resourceVersion": version(run)}
    run.cache.observe(resources.DEPLOYMENTS, deployment, deleted=False)
    await run.reconciler.release(KEY)
    assert run.journal == ["unpublish"]


async def test_namespace_release_reports_a_new_route_that_no_installation_has_reported() -> None:
    run = Stage(OURS)
    run.put()
    await run.reconciler.release(KEY)
    assert run.journal == []
    assert run.again[-1] == (KEY, UNREPORTED_S)
    run.clock.advance(UNREPORTED_S)
    await run.reconciler.release(KEY)
    assert run.journal == ["status", "event"]
    assert "operator.namespaces" in run.statuses[-1]["conditions"][0]["message"]


async def test_namespace_release_accepts_that_the_namespace_is_deleted() -> None:
    run = await served()
    run.errors["status"] = ApiError("NotFound", "namespaces team not found")
    await run.reconciler.release(KEY)
    assert run.journal == ["unpublish"]


async def test_namespace_release_of_a_deleted_route_removes_its_entry() -> None:
    run = await served()
    run.cache.observe(resources.MODEL_ROUTES, route_body(resourceVersion="999"), deleted=True)
    await run.reconciler.release(KEY)
    assert run.journal == ["unpublish"]


async def test_namespace_release_retries_when_the_api_server_is_away() -> None:
    run = await served()
    run.errors["scale"] = ApiError("Unavailable", "away")
    with pytest.raises(ApiError):
        await run.reconciler.release(KEY)
    assert INSTALLATION in live(run)["metadata"]["annotations"]
