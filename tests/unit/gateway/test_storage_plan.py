"""Which responses are stored, and what a disconnect does to them."""

import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.route.streams import StreamsSpec
from penstock_contract.stream.descriptor import DisconnectPolicy
from penstock_gateway.responses.storage_plan import AT_ONCE_S, StoragePlan, storage_plan

KEEPS = StreamsSpec(keep_seconds=60)
NOTHING = StreamsSpec()
DETACH = [(b"x-penstock-on-disconnect", b"detach")]


def plan(spec: StreamsSpec, *, fits: bool = True, headers: object = (), **fields: bool) -> StoragePlan:
    return storage_plan(ResponseRequest(model="m", **fields), spec, headers, fits=fits)  # type: ignore[arg-type]


def test_response_is_stored_where_its_route_keeps_answers() -> None:
    assert plan(KEEPS) == StoragePlan(True, DisconnectPolicy(AT_ONCE_S, 60))
    assert plan(KEEPS, store=True) == plan(KEEPS)
    assert plan(KEEPS, headers=DETACH) == StoragePlan(True, DisconnectPolicy(None, 60))


def test_response_is_not_stored_otherwise() -> None:
    assert plan(NOTHING, store=True) == StoragePlan(False, None)
    assert plan(KEEPS, store=False) == StoragePlan(False, None)
    assert plan(KEEPS, fits=False) == StoragePlan(False, None)


def test_response_in_the_background_runs_to_its_end() -> None:
    assert plan(KEEPS, background=True) == StoragePlan(True, DisconnectPolicy(None, 60))


@pytest.mark.parametrize(
    ("spec", "fits", "text"), [(NOTHING, True, "spec.streams.keepSeconds"), (KEEPS, False, "large")]
)
def test_response_in_the_background_is_refused_where_it_cannot_be_stored(
    spec: StreamsSpec, text: str, *, fits: bool
) -> None:
    with pytest.raises(PenstockError, match=text):
        plan(spec, fits=fits, background=True)
