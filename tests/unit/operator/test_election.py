"""The election with a store that can be unavailable or slow, and with another holder."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from unit.support.virtual_time import LoopClock, virtual_time

from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.election import Election, LeaseLost
from penstock_operator.settings import OperatorSettings

Body = dict[str, Any]
SETTINGS = OperatorSettings(namespaces="ns", worker_image="w", lease_namespace="ns", lease_name="l").lease


class FakeLeases:
    """One Lease with the API server's rule: a write needs the current version."""

    def __init__(self) -> None:
        self.lease: Body | None = None
        self.error: ApiError | None = None
        self.hangs = False
        self.writes = 0
        self.version = 0

    async def read_lease(self, namespace: str, name: str, *, timeout_s: float) -> Body | None:
        del namespace, name
        await self._answer(timeout_s)
        return self.lease

    async def write_lease(self, lease: Body, *, timeout_s: float) -> Body:
        await self._answer(timeout_s)
        stored = None if self.lease is None else self.lease["metadata"]["resourceVersion"]
        if lease["metadata"].get("resourceVersion") != stored:
            raise ApiError("Conflict", "another write was first")
        self.writes += 1
        return self.store(lease)

    def store(self, lease: Body) -> Body:
        self.version += 1
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(self.version)}}
        return self.lease

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])

    async def _answer(self, timeout_s: float) -> None:
        await asyncio.sleep(timeout_s if self.hangs else 0.01)
        if self.hangs:
            raise ApiError("Unavailable", "no answer")
        if self.error is not None:
            raise self.error


def candidate(store: FakeLeases, me: str) -> Election:
    return Election(store, SETTINGS, LoopClock(), me=me, transitioned=lambda _: None)


@contextlib.asynccontextmanager
async def campaigning(store: FakeLeases, me: str) -> AsyncIterator[tuple[Election, asyncio.Task[None]]]:
    election = candidate(store, me)
    task = asyncio.create_task(election.run())
    yield election, task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, LeaseLost):
        await task


async def until_won(election: Election) -> float:
    """Returns the seconds until the result."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await election.won.wait()
    return loop.time() - began


@virtual_time
async def test_election_first_candidate_leads_while_the_second_stands_by() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, _):
        await until_won(one)
        async with campaigning(store, "two") as (two, _):
            await asyncio.sleep(300)
            assert one.leading()
            assert not two.leading()
            assert two.standing_by
    assert store.holder == "one"


@virtual_time
async def test_election_follower_leads_after_the_lease_duration_of_a_crashed_leader_and_not_before() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, task):
        await until_won(one)
        async with campaigning(store, "two") as (two, _):
            await asyncio.sleep(30)
            task.cancel()
            assert 13 <= await until_won(two) <= 17
    assert store.holder == "two"


@virtual_time
async def test_election_leader_that_stops_releases_the_lease_to_a_follower_at_once() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, task):
        await until_won(one)
        async with campaigning(store, "two") as (two, _):
            await asyncio.sleep(10)
            task.cancel()
            await one.release()
            assert store.holder == ""
            assert not one.leading()
            assert await until_won(two) <= 1.1


@virtual_time
async def test_election_leader_that_cannot_renew_stops_before_the_lease_expires() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, task):
        await until_won(one)
        await asyncio.sleep(20)
        store.hangs = True
        began = asyncio.get_running_loop().time()
        with pytest.raises(LeaseLost):
            await task
        stopped_after = asyncio.get_running_loop().time() - began
        assert SETTINGS.renew_deadline_s - 2.1 <= stopped_after <= SETTINGS.renew_deadline_s
        assert not one.leading()


@virtual_time
async def test_election_survives_a_short_outage_of_the_api_server() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, task):
        await until_won(one)
        store.error = ApiError("Unavailable", "away")
        await asyncio.sleep(7)
        store.error = None
        await asyncio.sleep(7)
        assert not task.done()
        assert one.leading()


@virtual_time
async def test_election_suspended_leader_may_not_write_before_any_timer_has_run() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, _):
        await until_won(one)
        loop = asyncio.get_running_loop()
        assert one.leading()
        loop._advance(11)  # type: ignore[attr-defined]
        assert not one.leading()


@virtual_time
async def test_election_leader_stops_at_once_when_another_process_holds_the_lease() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, task):
        await until_won(one)
        assert store.lease is not None
        store.store({**store.lease, "spec": {**store.lease["spec"], "holderIdentity": "thief"}})
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(task, 3)
        assert not one.leading()
        await one.release()
    assert store.holder == "thief"


@virtual_time
async def test_election_continues_after_a_renewal_with_a_lost_response() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, task):
        await until_won(one)
        assert store.lease is not None
        store.store(store.lease)
        await asyncio.sleep(10)
        assert not task.done()
        assert one.leading()


@virtual_time
async def test_election_leader_creates_a_deleted_lease_again() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (one, task):
        await until_won(one)
        store.lease = None
        await asyncio.sleep(10)
        assert not task.done()
        assert store.holder == "one"


@virtual_time
async def test_election_standby_waits_for_an_unavailable_api_server() -> None:
    store = FakeLeases()
    store.error = ApiError("Forbidden", "no right")
    async with campaigning(store, "one") as (one, _):
        await asyncio.sleep(60)
        assert not one.standing_by
        store.error = None
        await until_won(one)
    assert store.holder == "one"


@virtual_time
async def test_election_leader_that_stops_during_a_renewal_releases_the_lease() -> None:
    store = FakeLeases()
    async with campaigning(store, "one") as (first, _):
        await until_won(first)
        assert store.lease is not None
        store.store(store.lease)  # The renewal was written, and its response never read.
        await first.release()
        assert store.holder == ""
    async with campaigning(store, "two") as (second, _):
        await until_won(second)
        store.store({**store.lease, "spec": {**store.lease["spec"], "holderIdentity": "three"}})
        await second.release()
        assert store.holder == "three", "the lease of another holder is unchanged"
