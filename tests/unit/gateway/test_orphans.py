"""The final usage record of a request of a lost gateway."""

import pytest

from penstock_contract.usage.record import GATEWAY_LOST, Checkpoint, OpenRequestUsage, Tokens, UsageRow
from penstock_gateway.usage.orphans import orphan

OPEN = UsageRow(id="req_1", key="k", route="default.main", model="main", gateway="gw", started_at=1.0)


def test_orphan_has_the_count_of_its_workers_checkpoint() -> None:
    checkpoint = Checkpoint(
        "w", [OpenRequestUsage("req_0", 1, 1, 1, 1.0), OpenRequestUsage("req_1", 6, 40, 406 * 10**6, 3.5)]
    )
    closed = orphan(OPEN, checkpoint)
    assert (closed.ended, closed.tokens, closed.cost) == (GATEWAY_LOST, Tokens(6, 0, 40, estimated=True), "0.000406")
    assert closed.duration_s == 3.5


@pytest.mark.parametrize("checkpoint", [None, Checkpoint("w", [])])
def test_orphan_without_a_checkpoint_is_zero(checkpoint: Checkpoint | None) -> None:
    closed = orphan(OPEN, checkpoint)
    assert (closed.ended, closed.tokens, closed.id) == (GATEWAY_LOST, Tokens(), "req_1")
