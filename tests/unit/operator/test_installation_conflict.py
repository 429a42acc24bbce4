"""Two installations that serve one namespace: one keeps a route, the other reports it and writes nothing else."""

from typing import Any

import msgspec
from unit.support.reconcilers import KEY, Stage

from penstock_operator.kube import resources
from penstock_operator.reconcile.installation_conflict import CONDITION
from penstock_operator.reconcile.owned_object import INSTALLATION, other_installation
from penstock_operator.reconcile.pod_template import WorkerDefaults

OURS = WorkerDefaults(image="penstock:1", nats_url="nats://ours", installation="ai")


def deployment_of(run: Stage, **annotations: str) -> dict[str, Any]:
    """The live Deployment, as another client has changed its annotations."""
    live = run.cache.snapshot(KEY).deployment
    assert live is not None
    changed: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(live))
    changed["metadata"]["annotations"] |= annotations
    changed["metadata"]["resourceVersion"] = str(int(changed["metadata"]["resourceVersion"]) + 50)
    return changed


def test_contest_knows_a_foreign_mark() -> None:
    def marked(mark: str) -> dict[str, Any]:
        return {"metadata": {"annotations": {INSTALLATION: mark}}}

    assert other_installation(marked("llm"), "ai") == "llm"
    assert other_installation(marked("ai"), "ai") == ""
    assert other_installation({"metadata": {}}, "ai") == ""
    assert other_installation(None, "ai") == ""


async def test_contest_marks_a_free_route_and_leaves_one_of_another_installation_alone() -> None:
    run = Stage(OURS)
    run.put()
    await run.run()
    await run.run()
    live = run.cache.snapshot(KEY).deployment
    assert live is not None
    assert live["metadata"]["annotations"][INSTALLATION] == "ai"
    assert await run.run() == []

    foreign = deployment_of(run, **{INSTALLATION: "llm"})
    run.cache.observe(resources.DEPLOYMENTS, foreign, deleted=False)
    writes = await run.run()
    assert not [write for write in writes if write.startswith(("apply", "scale", "create"))], writes
    (condition,) = run.statuses[-1]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        CONDITION,
        "True",
        "ServedByAnotherRelease",
    )
    assert "the release in the namespace llm serves this route" in condition["message"]
    assert [event["type"] for event in run.events if event["reason"] == "ServedByAnotherRelease"] == ["Warning"]
    assert run.publisher.entry(f"{KEY[0]}.{KEY[1]}") is None
    # Settled: nothing is written again.
    assert await run.run() == []
