"""The policy of a disconnect, by route and by header."""

import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.route.streams import StreamsSpec
from penstock_contract.stream.descriptor import DisconnectPolicy
from penstock_gateway.resume.disconnect_policy import HEADER, disconnect_policy
from penstock_gateway.resume.progress import progress_requested

KEEPING = StreamsSpec(keep_seconds=60)
NO_GRACE = StreamsSpec(grace_seconds=0)


@pytest.mark.parametrize(
    ("spec", "values", "policy"),
    [
        (StreamsSpec(), None, None),
        (StreamsSpec(on_disconnect="Grace"), None, DisconnectPolicy(30, 0)),
        (StreamsSpec(on_disconnect="Detach", keep_seconds=60), None, DisconnectPolicy(None, 60)),
        (StreamsSpec(on_disconnect="Grace"), "cancel", None),
        (StreamsSpec(), "grace", DisconnectPolicy(30, 0)),
        (StreamsSpec(), " Grace = 2.5 ", DisconnectPolicy(2.5, 0)),
        (StreamsSpec(), "grace=30", DisconnectPolicy(30, 0)),
        (StreamsSpec(), "grace=0", DisconnectPolicy(0, 0)),
        (KEEPING, "grace=1", DisconnectPolicy(1, 60)),
        (KEEPING, "detach", DisconnectPolicy(None, 60)),
        (NO_GRACE, "grace", None),
    ],
)
def test_disconnect_policy_is_the_requests_before_the_routes(
    spec: StreamsSpec, values: str | None, policy: DisconnectPolicy | None
) -> None:
    headers = [(b"accept", b"*/*"), *([(HEADER, values.encode())] if values is not None else [])]
    assert disconnect_policy(headers, spec) == policy


@pytest.mark.parametrize(
    ("spec", "values", "named"),
    [
        (StreamsSpec(), ["detach"], "keeps no answers"),
        (StreamsSpec(), ["grace=30.1"], "at most 30 s"),
        (NO_GRACE, ["grace=1"], "at most 0 s"),
        (KEEPING, ["grace="], "write cancel"),
        (KEEPING, ["grace=-1"], "write cancel"),
        (KEEPING, ["grace=1e3"], "write cancel"),
        (KEEPING, ["grace=9999999"], "write cancel"),
        (KEEPING, ["grace=\u0663"], "write cancel"),
        (KEEPING, [""], "write cancel"),
        (KEEPING, ["keep"], "write cancel"),
        (KEEPING, ["grace", "detach"], "more than once"),
    ],
)
def test_disconnect_policy_refuses_what_the_route_does_not_allow(
    spec: StreamsSpec, values: list[str], named: str
) -> None:
    with pytest.raises(PenstockError, match=named) as caught:
        disconnect_policy([(HEADER, value.encode()) for value in values], spec)
    assert (caught.value.code, caught.value.detail.param) == ("invalid_request", HEADER.decode())


@pytest.mark.parametrize(("value", "wanted"), [(b"true", True), (b" TRUE ", True), (b"false", False)])
def test_progress_is_reported_to_clients_that_want_it(value: bytes, wanted: bool) -> None:
    assert progress_requested([(b"x-penstock-progress", value)]) is wanted
    assert progress_requested([]) is False


def test_progress_refuses_any_other_value() -> None:
    with pytest.raises(PenstockError, match="true or false"):
        progress_requested([(b"x-penstock-progress", b"1")])
