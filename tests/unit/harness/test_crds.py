"""`Kubectl.install` waits for a CRD in every state that the API server returns it in."""

import pytest
from harness.kubernetes.kubectl import is_established

NAMED = {"type": "NamesAccepted", "status": "True"}


@pytest.mark.parametrize(
    ("status", "established"),
    [
        (None, False),
        ({"conditions": None, "storedVersions": ["v1"]}, False),
        ({"conditions": []}, False),
        ({"conditions": [NAMED]}, False),
        ({"conditions": [NAMED, {"type": "Established", "status": "False"}]}, False),
        ({"conditions": [NAMED, {"type": "Established", "status": "True"}]}, True),
    ],
    ids=["no status", "null", "none", "only its names", "not yet", "established"],
)
def test_crd_is_established_once_the_condition_is_true(status: dict[str, object] | None, established: bool) -> None:
    crd = {"metadata": {"name": "modelroutes.penstock.dev"}}
    assert is_established(crd if status is None else {**crd, "status": status}) is established
