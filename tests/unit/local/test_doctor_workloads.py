"""Why a workload of a release does not run, from objects as the API server returns them."""

from typing import Any

import pytest

from penstock_local.doctor.workloads import Cause, of_release

JOB = "penstock-nats-keys"
MADE = "2026-11-29T10:00:00Z"
NO_NODE = "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available."
NO_IMAGE = 'Failed to pull image "penstock:0.2": rpc error: code = NotFound desc = not found'


def _object(kind: str, name: str, owner: str = "", **fields: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "uid": name, "creationTimestamp": MADE, "generation": 1}
    if owner:
        metadata["ownerReferences"] = [{"uid": owner}]
    if kind in {"Job", "Deployment", "StatefulSet"}:
        metadata["labels"] = {"helm.sh/chart": "penstock-0.1.0"}
    return {"kind": kind, "metadata": metadata, **fields}


def _job(*conditions: str) -> dict[str, Any]:
    return _object("Job", JOB, status={"conditions": [{"type": one, "status": "True"} for one in conditions]})


def _pod(owner: str = JOB, **status: Any) -> dict[str, Any]:
    return _object("Pod", f"{owner}-abcde", owner, status=status)


def _container(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"ready": False, "state": state}]}


def _event(about: str, reason: str, message: str, at: str = "2026-11-29T10:00:00.5Z", **fields: Any) -> dict[str, Any]:
    about_it = {"name": about, "uid": f"uid of {about}", **fields}
    return {
        **_object("Event", f"{about}.1"),
        "type": "Warning",
        "reason": reason,
        "message": message,
        "involvedObject": about_it,
        "eventTime": at,
    }


@pytest.mark.parametrize(
    ("pod", "cause"),
    [
        pytest.param(
            _pod(conditions=[{"type": "PodScheduled", "status": "False", "message": NO_NODE}]),
            Cause("unschedulable", NO_NODE),
            id="no node",
        ),
        pytest.param(
            _pod(**_container(waiting={"reason": "ErrImagePull", "message": "not\nfound"})),
            Cause("image", "ErrImagePull: not found"),
            id="image",
        ),
        pytest.param(
            _pod(**_container(waiting={"reason": "CreateContainerConfigError", "message": 'secret "x" not found'})),
            Cause("other", 'CreateContainerConfigError: secret "x" not found'),
            id="secret",
        ),
        pytest.param(
            _pod(**_container(terminated={"exitCode": 1, "reason": "Error"})),
            Cause("exit", "its container exited with code 1", f"{JOB}-abcde"),
            id="exit",
        ),
        pytest.param(
            _pod(
                containerStatuses=[
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    }
                ]
            ),
            Cause("exit", "its container exited with code 137 (OOMKilled)", f"{JOB}-abcde"),
            id="no memory",
        ),
    ],
)
def test_doctor_reads_the_reason_from_the_pod(pod: dict[str, Any], cause: Cause) -> None:
    (found,) = of_release([_job(), pod])
    assert (found.state, found.cause) == ("failed", cause)


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (_event(f"{JOB}-abcde", "FailedScheduling", NO_NODE), Cause("unschedulable", NO_NODE)),
        (_event(f"{JOB}-abcde", "Failed", NO_IMAGE), Cause("image", NO_IMAGE)),
        (
            _event(JOB, "FailedCreate", "exceeded quota: small, requested: pods=1", uid=JOB),
            Cause("other", "exceeded quota: small, requested: pods=1"),
        ),
    ],
    ids=lambda one: one["reason"] if isinstance(one, dict) else "",
)
def test_doctor_reads_the_reason_from_events_after_the_pod_is_gone(event: dict[str, Any], cause: Cause) -> None:
    """Its consequences, Events older than the Job, and Events of other objects are left out."""
    others = [
        _event(f"{JOB}-abcde", "Failed", "Error: ErrImagePull", "2026-11-29T10:00:07Z"),
        _event(f"{JOB}-abcde", "BackOff", "Back-off pulling image", "2026-11-29T10:00:09Z"),
        _event(
            JOB, "DeadlineExceeded", "Job was active longer than specified deadline", "2026-11-29T10:02:00Z", uid=JOB
        ),
        _event(f"{JOB}-abcde", "FailedScheduling", "of the Job before it", "2026-11-29T09:59:59Z"),
        _event(f"{JOB}-2-abcde", "FailedScheduling", "of another Job", "2026-11-29T10:00:30Z"),
    ]
    (found,) = of_release([_job("Failed"), *others, event])
    assert (found.state, found.cause) == ("failed", cause)


def test_doctor_reads_the_pods_of_a_deployment_through_its_replica_set() -> None:
    deployment = _object("Deployment", "penstock-gateway", spec={"replicas": 2}, status={"readyReplicas": 1})
    replica_set = _object("ReplicaSet", "penstock-gateway-1", "penstock-gateway")
    pod = _pod("penstock-gateway-1", **_container(waiting={"reason": "ImagePullBackOff"}))
    (found,) = of_release([deployment, replica_set, pod])
    assert found.cause == Cause("image", "ImagePullBackOff")


def test_doctor_calls_no_workload_broken_that_has_ended_runs_or_starts() -> None:
    running = {"readyReplicas": 1, "updatedReplicas": 1, "observedGeneration": 1}
    gateway = _object("Deployment", "penstock-gateway", spec={}, status=running)
    broker = _object("StatefulSet", "penstock-nats", spec={"replicas": 1}, status={})
    starting = _pod("penstock-nats", **_container(waiting={"reason": "ContainerCreating"}))
    old = _event(f"{JOB}-abcde", "FailedScheduling", NO_NODE)
    foreign = _object("Job", "another", status={"conditions": [{"type": "Failed", "status": "True"}]})
    foreign["metadata"]["labels"] = {"helm.sh/chart": "penstocks-1.0.0"}
    found = of_release([_job("Complete"), gateway, broker, starting, old, foreign])
    assert [(one.name, one.state, one.cause) for one in found] == [
        ("penstock-gateway", "running", None),
        (JOB, "running", None),
        ("penstock-nats", "waiting", None),
    ]
