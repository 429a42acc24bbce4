"""The bytes of bodies that a gateway holds: counted while they are read, shared by routes, given back at the end."""

import pytest

from penstock_contract.errors import PenstockError
from penstock_gateway.server.body_memory import BodyCharge, BodyMemory, bound_within

MIB = 1024 * 1024
BODY = 7 * MIB


def charged(budget: BodyMemory, size: int, route: str | None = None) -> BodyCharge:
    charge = BodyCharge(budget)
    charge.add(size)
    if route is not None:
        charge.assign(route)
    return charge


def refused(budget: BodyMemory, size: int, route: str | None = None) -> bool:
    held = budget.held
    error = _refusal(BodyCharge(budget), size, route)
    assert budget.held == held
    return error is not None and error.code == "overloaded" and error.detail.retry_after_s == 1


def _refusal(charge: BodyCharge, size: int, route: str | None) -> PenstockError | None:
    try:
        charge.add(size)
        if route is not None:
            charge.assign(route)
    except PenstockError as error:
        return error
    finally:
        charge.release()
    return None


def test_body_memory_refuses_the_piece_that_finds_no_room() -> None:
    budget = BodyMemory(16 * MIB)
    charged(budget, 13 * MIB)
    reading = charged(budget, MIB)
    with pytest.raises(PenstockError):
        reading.add(1)
    assert budget.held == 14 * MIB, "the refused piece is not counted"
    reading.release()
    assert budget.held == 13 * MIB


def test_body_memory_keeps_a_part_for_small_bodies() -> None:
    budget = BodyMemory(16 * MIB)
    charged(budget, 14 * MIB)
    assert refused(budget, 65 * 1024)
    assert not refused(budget, 64 * 1024)
    for _ in range(32):
        charged(budget, 64 * 1024)
    assert refused(budget, 1)


def test_body_memory_gives_one_route_half() -> None:
    budget = BodyMemory(16 * MIB)
    charges = [charged(budget, 4 * MIB, "ns.parked") for _ in range(2)]
    assert refused(budget, MIB, "ns.parked")
    assert not refused(budget, MIB, "ns.other")
    charges[0].release()
    assert not refused(budget, MIB, "ns.parked")
    charges[1].release()
    assert budget.held == 0
    assert not budget.routes


def test_body_memory_admits_one_body_of_any_size_when_it_is_empty() -> None:
    budget = BodyMemory(8 * MIB)
    alone = charged(budget, 8 * MIB, "ns.main")
    assert refused(budget, MIB, "ns.main")
    alone.release()
    alone.release()
    assert budget.held == 0


def test_body_charge_without_a_body_is_assigned_to_no_route() -> None:
    budget = BodyMemory(8 * MIB)
    charge = BodyCharge(budget)
    charge.assign("ns.main")
    charge.release()
    assert not budget.routes


@pytest.mark.parametrize(
    ("memory", "bound"),
    [
        (1024 * MIB, 224 * MIB),
        (512 * MIB, 96 * MIB),
        (128 * MIB, 2 * BODY),
        (64 * MIB, 2 * BODY),
        (256 * 1024 * MIB, 992 * MIB),
        (None, 992 * MIB),
    ],
)
def test_body_bound_follows_from_the_memory_limit(memory: int | None, bound: int) -> None:
    assert bound_within(memory, BODY) == bound
