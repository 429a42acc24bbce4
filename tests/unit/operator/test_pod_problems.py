"""Problems of pods and Deployments: Kubernetes' message under the operator's reason."""

from typing import Any, get_args

import pytest
from unit.support.routes import deployment, pod, ready_pod, waiting

from penstock_operator.status.pod_problems import (
    MESSAGE_MAX,
    Problem,
    ProblemReason,
    clean,
    of_deployment,
    of_evictions,
    of_pods,
    one_of_each_reason,
)

PULL = (
    "rpc error: code = NotFound desc = failed to pull and unpack image"
    ' "example.com/penstock:9": failed to resolve reference: not found'
)
FELL = {"terminated": {"exitCode": 1, "reason": "Error"}}
TERMINATED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
RUNS = {"running": {"startedAt": "2026-01-01T00:00:05Z"}}
BACK_OFF = waiting("CrashLoopBackOff", "back-off 40s restarting failed container=worker pod=main-worker-a_team(1-2)")


def problem_of(made: dict[str, Any]) -> tuple[str, str] | None:
    found = [(problem.reason, problem.message) for problem in of_pods([made])]
    assert len(found) <= 1
    return found[0] if found else None


# Each message as the kubelet or the scheduler writes it.
FAULTS: dict[str, tuple[dict[str, Any], ProblemReason, str]] = {
    "a pull that failed": (pod(state=waiting("ErrImagePull", PULL)), "ImagePullFailed", PULL),
    "a pull that is put off": (
        pod(
            state=waiting("ImagePullBackOff", f'Back-off pulling image "example.com/penstock:9": ErrImagePull: {PULL}')
        ),
        "ImagePullFailed",
        PULL,
    ),
    "a pull that is put off, its cause forgotten": (
        pod(state=waiting("ImagePullBackOff", 'Back-off pulling image "example.com/penstock:9"')),
        "ImagePullFailed",
        'Back-off pulling image "example.com/penstock:9"',
    ),
    "an image's name": (
        pod(state=waiting("InvalidImageName", 'Failed to apply default image tag "A:b:c": invalid reference format')),
        "ImagePullFailed",
        'Failed to apply default image tag "A:b:c": invalid reference format',
    ),
    "an image that may not be pulled": (
        pod(
            state=waiting("ErrImageNeverPull", 'Container image "a:1" is not present with pull policy of Never'),
        ),
        "ImagePullFailed",
        'Container image "a:1" is not present with pull policy of Never',
    ),
    "a secret": (
        pod(state=waiting("CreateContainerConfigError", 'secret "openai" not found')),
        "SecretNotFound",
        'secret "openai" not found',
    ),
    "a secret that is referenced by name": (
        pod(state=waiting("CreateContainerConfigError", 'secrets "openai" not found')),
        "SecretNotFound",
        'secrets "openai" not found',
    ),
    "a secret's key": (
        pod(state=waiting("CreateContainerConfigError", "couldn't find key api-key in Secret team/openai")),
        "SecretKeyNotFound",
        "couldn't find key api-key in Secret team/openai",
    ),
    "a container's settings": (
        pod(state=waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
        "ContainerFailed",
        "CreateContainerConfigError: container has runAsNonRoot and image will run as root",
    ),
    "a command": (
        pod(state=waiting("RunContainerError", 'exec: "penstok": executable file not found in $PATH')),
        "ContainerFailed",
        'RunContainerError: exec: "penstok": executable file not found in $PATH',
    ),
    "a worker that falls": (
        pod(state=BACK_OFF, lastState=FELL, restartCount=1),
        "CrashLoop",
        "the container exited with code 1 (Error)",
    ),
    "a worker out of memory": (
        pod(state=BACK_OFF, lastState=TERMINATED, restartCount=4),
        "CrashLoop",
        "the container exited with code 137 (OOMKilled)",
    ),
    "a worker that fell and runs for a moment": (
        pod(state=RUNS, lastState=FELL, restartCount=2),
        "CrashLoop",
        "the container exited with code 1 (Error)",
    ),
    "a worker that left a message": (
        pod(
            state=BACK_OFF,
            lastState={"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such\tdevice\n"}},
        ),
        "CrashLoop",
        "the container exited with code 128 (StartError): no such device",
    ),
    "a worker that fell at its first start": (
        pod(state=BACK_OFF),
        "CrashLoop",
        "back-off 40s restarting failed container=worker pod=main-worker-a_team(1-2)",
    ),
}


@pytest.mark.parametrize(("made", "reason", "message"), FAULTS.values(), ids=FAULTS)
def test_pod_problems_have_the_clusters_message(made: dict[str, Any], reason: str, message: str) -> None:
    assert problem_of(made) == (reason, f"pod main-worker-a: {message}")


def test_pod_problems_have_the_schedulers_message() -> None:
    made = pod()
    message = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available."
    made["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    ]
    del made["status"]["containerStatuses"]

    assert problem_of(made) == ("Unschedulable", f"pod main-worker-a: {message}")


@pytest.mark.parametrize(
    "made",
    [
        ready_pod(),
        pod(),
        pod(state=waiting("ContainerCreating")),
        pod(state=waiting("PodInitializing")),
        pod(state=RUNS),
        pod(state=RUNS, lastState=FELL, restartCount=1),
        pod(state=FELL),
        {"metadata": {"name": "main-worker-a"}},
    ],
    ids=["ready", "scheduled", "creating", "initializing", "starting", "starting again", "fell once", "new"],
)
def test_pod_problems_are_none_for_a_starting_pod(made: dict[str, Any]) -> None:
    assert problem_of(made) is None


def test_pod_problems_are_none_for_a_pod_that_is_ready_again() -> None:
    assert problem_of(pod(state=RUNS, ready=True, lastState=TERMINATED, restartCount=9)) is None


def test_pod_problems_report_a_pod_that_is_no_longer_ready() -> None:
    made = pod(state=RUNS, phase="Running")
    made["status"]["conditions"][1] |= {
        "lastTransitionTime": "2026-01-01T00:10:00Z",
        "message": "containers with unready status: [worker]",
    }

    assert problem_of(made) == ("NotReady", "pod main-worker-a: containers with unready status: [worker]")


def test_pod_problems_report_a_sidecar_that_cannot_be_pulled() -> None:
    made = pod(state=waiting("PodInitializing"))
    made["status"]["initContainerStatuses"] = [
        {"name": "mesh", "ready": False, "state": waiting("ErrImagePull", "denied")}
    ]

    assert problem_of(made) == ("ImagePullFailed", "pod main-worker-a: denied")


def failure(message: str) -> dict[str, str]:
    return {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}


@pytest.mark.parametrize(
    ("condition", "reason", "message"),
    [
        (
            failure(
                'pods "main-worker-6d4cf56db6-4q2xk" is forbidden: exceeded quota: team, requested: pods=1,'
                " used: pods=5, limited: pods=5"
            ),
            "QuotaExceeded",
            "exceeded quota: team, requested: pods=1, used: pods=5, limited: pods=5",
        ),
        (
            failure('pods "main-worker-6d4cf56db6-4q2xk" is forbidden: failed quota: team: must specify limits.cpu'),
            "PodForbidden",
            "failed quota: team: must specify limits.cpu",
        ),
        (
            failure('pods "main-worker-a" is forbidden: violates PodSecurity "restricted:latest": host ports'),
            "PodForbidden",
            'violates PodSecurity "restricted:latest": host ports',
        ),
        (
            failure('admission webhook "policy.example.com" denied the request: no'),
            "PodForbidden",
            'admission webhook "policy.example.com" denied the request: no',
        ),
        (
            {
                "type": "Progressing",
                "status": "False",
                "reason": "ProgressDeadlineExceeded",
                "message": 'ReplicaSet "main-worker-1" has timed out progressing.',
            },
            "RolloutStalled",
            'ReplicaSet "main-worker-1" has timed out progressing.',
        ),
    ],
)
def test_pod_problems_of_a_deployment_have_no_name_of_an_uncreated_pod(
    condition: dict[str, str], reason: ProblemReason, message: str
) -> None:
    assert list(of_deployment(deployment(1, condition)["status"])) == [Problem(reason, message)]


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "x"},
        {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "x"},
        failure("x") | {"status": "False"},
        failure("x") | {"reason": "FailedDelete"},
    ],
)
def test_pod_problems_are_none_for_a_progressing_deployment(condition: dict[str, str]) -> None:
    assert list(of_deployment(deployment(1, condition)["status"])) == []


@pytest.mark.parametrize(
    ("status", "messages"),
    [
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory. "},
            ["pod main-worker-a: Evicted: The node was low on resource: memory."],
        ),
        (
            {"phase": "Failed", "reason": "OutOfcpu", "message": "Pod was rejected"},
            ["pod main-worker-a: OutOfcpu: Pod was rejected"],
        ),
        ({"phase": "Failed"}, []),
        ({"phase": "Succeeded"}, []),
    ],
)
def test_pod_problems_report_an_evicted_pod(status: dict[str, str], messages: list[str]) -> None:
    found = list(of_evictions([{"metadata": {"name": "main-worker-a"}, "status": status}]))
    assert found == [Problem("Evicted", message) for message in messages]


def test_pod_problems_have_one_of_each_reason_in_order_of_precedence() -> None:
    found = one_of_each_reason(
        [Problem("Unschedulable", "1"), Problem("CrashLoop", "2"), Problem("CrashLoop", "3"), Problem("NotReady", "4")]
    )

    assert found == (Problem("CrashLoop", "2"), Problem("Unschedulable", "1"), Problem("NotReady", "4"))


def test_pod_problems_have_a_case_for_every_reason() -> None:
    met = {reason for _, reason, _ in FAULTS.values()}
    elsewhere = {"Unschedulable", "NotReady", "QuotaExceeded", "PodForbidden", "RolloutStalled", "Evicted"}
    assert met | elsewhere == set(get_args(ProblemReason))


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("a\nb\r\n\tc", "a b c"),
        ("\x1b[31mred\x00", "[31mred"),
        ("right\u202eleft", "right left"),
        ("é ü 漢", "é ü 漢"),
        ("x" * (MESSAGE_MAX + 1), "x" * (MESSAGE_MAX - 1) + "…"),
        ("x" * MESSAGE_MAX, "x" * MESSAGE_MAX),
    ],
    ids=["lines", "a terminal's codes", "a direction", "other scripts", "too long", "just short enough"],
)
def test_pod_problems_message_is_one_bounded_line(message: str, line: str) -> None:
    assert clean(message) == line
