"""The number of workers that serve, start and drain."""

from typing import Any

import pytest
from unit.support.routes import deployment, pod, ready_pod, waiting

from penstock_operator.status.pod_problems import Problem
from penstock_operator.status.pod_summary import Survey, survey

Body = dict[str, Any]
ENDING = {"deletionTimestamp": "2026-01-01T01:00:00Z"}
BROKEN = waiting("ErrImagePull", "denied")


def ending(made: Body) -> Body:
    return made | {"metadata": made["metadata"] | ENDING}


def failed(name: str) -> Body:
    status = {"phase": "Failed", "reason": "Evicted", "message": "memory"}
    return {"metadata": {"name": name}, "status": status}


@pytest.mark.parametrize(
    ("pods", "drain_sent", "counted"),
    [
        ([], set(), (0, 0, 0, 0)),
        ([ready_pod("a"), ready_pod("b"), pod("c")], set(), (3, 2, 1, 0)),
        ([ready_pod("a"), ending(ready_pod("b"))], set(), (1, 1, 0, 1)),
        ([ready_pod("a"), ready_pod("b")], {"b"}, (2, 1, 0, 1)),
        ([ready_pod("a"), ending(ready_pod("b"))], {"b"}, (1, 1, 0, 1)),
        ([ready_pod("a")], {"gone"}, (1, 1, 0, 0)),
        ([ready_pod("a"), failed("b")], set(), (1, 1, 0, 0)),
    ],
    ids=["none", "some ready", "one ending", "one draining", "draining and ending", "draining and gone", "one evicted"],
)
def test_pod_summary_counts_pods_by_state(
    pods: list[Body], drain_sent: set[str], counted: tuple[int, int, int, int]
) -> None:
    found = survey(pods, deployment(3), drain_sent)
    assert (found.replicas, found.ready, found.starting, found.draining) == counted


@pytest.mark.parametrize(
    ("pods", "drain_sent", "due"),
    [
        ([ready_pod("a"), ready_pod("b")], set(), 2),
        ([ready_pod("a"), ready_pod("b")], {"b"}, 1),
        ([ready_pod("a"), ending(ready_pod("b"))], set(), 2),
        ([ready_pod("a")], set(), 2),
        ([], set(), 2),
    ],
    ids=["all there", "one drains", "one is ending and replaced", "one is missing", "none is there"],
)
def test_pod_summary_does_not_count_draining_workers(pods: list[Body], drain_sent: set[str], due: int) -> None:
    assert survey(pods, deployment(2), drain_sent).due == due


def test_pod_summary_requires_nothing_without_a_deployment() -> None:
    assert survey([], None) == Survey(wanted=None)
    assert survey([], None).due == 0


@pytest.mark.parametrize(
    ("status", "rolling", "unobserved"),
    [
        ({}, False, False),
        ({"updatedReplicas": 1}, True, False),
        ({"observedGeneration": 0}, False, True),
    ],
)
def test_pod_summary_reads_a_rollout_from_the_deployments_status(status: Body, rolling: bool, unobserved: bool) -> None:
    found = survey([], deployment(2, **status))
    assert (found.rolling, found.unobserved) == (rolling, unobserved)


def test_pod_summary_marks_a_deployment_that_its_controller_has_not_observed() -> None:
    made = deployment()
    del made["status"]
    assert survey([], made).unobserved


def test_pod_summary_has_the_oldest_pod_of_equal_problems() -> None:
    young, old = pod("a", state=BROKEN), pod("b", state=BROKEN)
    young["metadata"]["creationTimestamp"] = "2026-06-01T00:00:00Z"

    assert survey([young, old], deployment(2)).problems == (Problem("ImagePullFailed", "pod b: denied"),)
    assert survey([old, young], deployment(2)) == survey([young, old], deployment(2))


@pytest.mark.parametrize("drain_sent", [set(), {"main-worker-a"}])
def test_pod_summary_reports_no_problem_of_a_terminating_pod(drain_sent: set[str]) -> None:
    made = pod(state=BROKEN)
    assert survey([made if drain_sent else ending(made)], deployment(1), drain_sent).problems == ()


def test_pod_summary_reports_an_evicted_pod_until_it_is_replaced() -> None:
    evicted = Problem("Evicted", "pod b: Evicted: memory")

    assert survey([ready_pod("a"), failed("b")], deployment(2)).problems == (evicted,)
    assert survey([ready_pod("a"), failed("b")], deployment(1)).problems == ()


def env(name: str, key: str) -> Body:
    return {"name": "X", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


@pytest.mark.parametrize(
    ("made", "proven"),
    [
        (ready_pod(env=[env("openai", "key"), {"name": "A", "value": "b"}]), {("openai", "key")}),
        (pod(state={"terminated": {"exitCode": 1}}, env=[env("openai", "key")]), {("openai", "key")}),
        (
            pod(state=waiting("CrashLoopBackOff"), lastState={"terminated": {}}, env=[env("openai", "key")]),
            {("openai", "key")},
        ),
        (pod(state=waiting("CreateContainerConfigError", "x"), env=[env("openai", "key")]), set()),
        (pod(state=waiting("ContainerCreating"), env=[env("openai", "key")]), set()),
    ],
    ids=["runs", "ended", "fell", "could not be made", "is being made"],
)
def test_pod_summary_takes_a_created_container_as_proof_of_secrets(made: Body, proven: set[tuple[str, str]]) -> None:
    assert survey([made], deployment(1)).proven_secrets == proven
