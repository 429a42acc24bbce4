"""Variables of a worker that come from more than one place."""

from typing import Any

import pytest
from unit.support.routes import provider, secret, spec, spec_document

from penstock_operator.routes import worker_variables


@pytest.mark.parametrize(
    ("document", "clash"),
    [
        (
            spec_document(providers=[provider("a", **secret("a-b", "c")), provider("b", **secret("a", "b-c"))]),
            "providers: a-b/c and a/b-c would both be the variable A_B_C",
        ),
        (
            spec_document(providers=[provider(**secret("penstock", "route"))]),
            "providers: penstock/route would be the variable PENSTOCK_ROUTE, which the operator sets",
        ),
        (
            spec_document(worker={"env": [{"name": "PENSTOCK_NAMESPACE"}]}),
            "worker: env must not set PENSTOCK_NAMESPACE, which the operator sets",
        ),
        (
            spec_document(worker={"env": [{"name": "PENSTOCK_ALLOWED_ADDRESSES", "value": "0.0.0.0/0"}]}),
            "worker: env must not set PENSTOCK_ALLOWED_ADDRESSES, which the operator sets",
        ),
        (
            spec_document(providers=[provider(**secret("openai"))], worker={"env": [{"name": "OPENAI_KEY"}]}),
            "worker: env must not set OPENAI_KEY, which the operator sets",
        ),
        (
            spec_document(worker={"volumes": [{"name": "keys", "emptyDir": {}}]}),
            "worker: volumes must not be named keys, which is the operator's",
        ),
        (
            spec_document(worker={"extraContainers": [{"name": "worker", "image": "a"}]}),
            "worker: two containers are named worker",
        ),
        (
            spec_document(
                worker={
                    "initContainers": [{"name": "proxy", "image": "a"}],
                    "extraContainers": [{"name": "proxy", "image": "a"}],
                }
            ),
            "worker: two containers are named proxy",
        ),
    ],
)
def test_worker_variables_report_a_variable_that_is_set_twice(document: dict[str, Any], clash: str) -> None:
    assert worker_variables.clashes(spec(**document)) == [clash]


def test_worker_variables_accept_one_secret_of_two_providers() -> None:
    two = [provider("a", **secret("openai")), provider("b", **secret("openai"))]
    assert worker_variables.clashes(spec(providers=two)) == []
