"""The publisher writes catalogue entries when needed, and keeps its record of them when the broker has lost them."""

from collections.abc import Callable

import pytest
import structlog

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_contract.route.provider import ProviderSpec, SimulatedSpec
from penstock_contract.route.spec import ModelRouteSpec, ModelSpec
from penstock_operator.routes.publisher import CataloguePublisher

SPEC = ModelRouteSpec(
    models=[ModelSpec(name="m")],
    providers=[ProviderSpec(name="p", type="Simulated", simulated=SimulatedSpec())],
)


def entry(name: str = "main", *, cause: str = "") -> CatalogueEntry:
    return CatalogueEntry(namespace="ns", name=name, created_at=1, spec=SPEC, cause=cause)


class FakeControlPlane:
    def __init__(self) -> None:
        self.away = False
        self.did: list[str] = []
        self.preparing: Callable[[], None] = lambda: None

    async def prepare(self) -> None:
        self._do("prepare")
        self.preparing()

    async def apply(self, entry: CatalogueEntry) -> bool:
        self._do(f"apply {entry.key} {entry.cause}".strip())
        return True

    async def mark_complete(self) -> None:
        self._do("complete")

    async def remove(self, namespace: str, route: str) -> None:
        self._do(f"remove {namespace}.{route}")

    def _do(self, what: str) -> None:
        if self.away:
            raise PenstockError("broker_unavailable", "away")
        self.did.append(what)


def loaded(plane: FakeControlPlane, *entries: CatalogueEntry) -> CataloguePublisher:
    publisher = CataloguePublisher(plane)
    publisher.replace({one.key: one for one in entries})
    return publisher


async def test_publisher_creates_the_catalogue_and_publishes_nothing_before_it_was_read() -> None:
    plane = FakeControlPlane()
    publisher = CataloguePublisher(plane)
    with pytest.raises(PenstockError):
        await publisher.apply(entry())
    assert plane.did == ["prepare"]
    publisher.replace({})
    await publisher.apply(entry())
    assert plane.did == ["prepare", "apply ns.main"]


async def test_publisher_rejects_a_decision_from_before_the_catalogue_was_read() -> None:
    plane = FakeControlPlane()
    publisher = CataloguePublisher(plane)
    plane.preparing = lambda: publisher.replace({"ns.main": entry()})
    with pytest.raises(PenstockError):
        await publisher.apply(entry(cause="not the last good one"))
    assert publisher.entry("ns.main") == entry()
    assert plane.did == ["prepare"]


class RefusingControlPlane(FakeControlPlane):
    """Reachable, but has no room for a queue while `full`."""

    full = True

    async def apply(self, entry: CatalogueEntry) -> bool:
        if self.full:
            raise PenstockError("broker_unavailable", "no room")
        return await super().apply(entry)


async def test_publisher_logs_a_refusal_of_the_broker_once() -> None:
    plane = RefusingControlPlane()
    publisher = loaded(plane)
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(PenstockError):
                await publisher.apply(entry())
        plane.full = False
        await publisher.apply(entry())
        plane.full = True
        with pytest.raises(PenstockError):
            await publisher.apply(entry(cause="starting"))

    refused = {"event": "operator.publish_failed", "log_level": "warning", "route": "ns.main", "error": "no room"}
    assert lines == [refused, refused], "once, and once more after a success"


async def test_publisher_creates_the_catalogue_before_any_route_and_again_after_its_loss() -> None:
    plane = FakeControlPlane()
    publisher = CataloguePublisher(plane)
    await publisher.ensure_catalogue()
    await publisher.ensure_catalogue()
    assert plane.did == ["prepare"]
    publisher.reconnected()
    await publisher.ensure_catalogue()
    assert plane.did == ["prepare", "prepare"]


async def test_publisher_sets_up_a_changed_entry_and_leaves_an_equal_one() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane)
    for cause in ("", "", "starting", "starting"):
        await publisher.apply(entry(cause=cause))
    assert plane.did == ["prepare", "apply ns.main", "apply ns.main starting"]


async def test_publisher_sets_up_everything_again_after_a_reconnect() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane)
    await publisher.apply(entry())
    publisher.reconnected()
    await publisher.apply(entry())
    assert plane.did == ["prepare", "apply ns.main"] * 2


async def test_publisher_sets_up_a_missing_queue_again() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane)
    await publisher.apply(entry())
    publisher.invalidate("ns.main")
    await publisher.apply(entry())
    assert plane.did == ["prepare", "apply ns.main", "apply ns.main"]


async def test_publisher_does_not_count_a_failed_publication() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane)
    await publisher.apply(entry())
    plane.away = True
    with pytest.raises(PenstockError):
        await publisher.apply(entry(cause="starting"))
    assert publisher.entry("ns.main") == entry()
    plane.away = False
    await publisher.apply(entry(cause="starting"))
    assert plane.did[-1] == "apply ns.main starting"


async def test_publisher_keeps_its_own_entries_after_their_loss_on_the_broker() -> None:
    publisher = loaded(FakeControlPlane())
    await publisher.apply(entry())
    publisher.replace({})
    assert publisher.entry("ns.main") == entry()
    assert publisher.names() == {"ns.main"}


async def test_publisher_reads_changes_of_an_earlier_leaders_entries() -> None:
    publisher = loaded(FakeControlPlane(), entry("a"))
    publisher.put("ns.b", entry("b"))
    assert publisher.names() == {"ns.a", "ns.b"}
    publisher.put("ns.a", None)
    assert publisher.entry("ns.a") is None


async def test_publisher_removes_an_entry_once_and_only_if_it_may_exist() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane, entry("a"))
    await publisher.remove("ns.a")
    await publisher.remove("ns.a")
    await publisher.remove("ns.never")
    assert plane.did == ["prepare", "remove ns.a"]
    assert publisher.entry("ns.a") is None


async def test_publisher_repeats_a_failed_removal() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane, entry("a"))
    plane.away = True
    with pytest.raises(PenstockError):
        await publisher.remove("ns.a")
    assert publisher.names() == {"ns.a"}


async def test_publisher_reports_and_repairs_a_reverted_entry_once() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane)
    assert not await publisher.apply(entry()), "the first time nothing is mended"
    assert not publisher.put("ns.main", entry()), "that was ours"
    assert not publisher.put("ns.other", None), "the entry has no owner"
    assert publisher.put("ns.main", entry(cause="another reason"))
    assert await publisher.apply(entry())
    assert not await publisher.apply(entry())
    assert plane.did.count("apply ns.main") == 2


async def test_publisher_does_not_count_its_own_change_as_a_repair() -> None:
    class Echoing(FakeControlPlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            repairs.append(publisher.put(entry.key, entry))
            return await super().apply(entry)

    repairs: list[bool] = []
    publisher = loaded(Echoing())
    await publisher.apply(entry())
    assert not await publisher.apply(entry(cause="starting"))
    assert repairs == [False, False], "the entry is the publisher's own"
    assert not await publisher.apply(entry(cause="starting"))


async def test_publisher_applies_again_what_is_reported_missing_meanwhile() -> None:
    class Losing(FakeControlPlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            written = await super().apply(entry)
            if self.did.count("apply ns.main") == 2:
                publisher.invalidate("ns.main")  # The bucket was deleted after the check.
            return written

    plane = Losing()
    publisher = loaded(plane)
    await publisher.apply(entry())
    publisher.invalidate("ns.main")
    assert await publisher.apply(entry())
    assert await publisher.apply(entry()), "mended once more"
    assert not await publisher.apply(entry())
    assert plane.did.count("apply ns.main") == 3


async def test_publisher_marks_the_catalogue_complete_once_and_after_each_reconnect() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane)
    await publisher.complete()
    await publisher.complete()
    assert plane.did == ["complete"]
    publisher.reconnected()
    plane.away = True
    with pytest.raises(PenstockError):
        await publisher.complete()
    plane.away = False
    await publisher.complete()
    assert plane.did == ["complete", "complete"]


async def test_publisher_counts_a_write_that_began_before_the_report_as_a_repair() -> None:
    class Late(FakeControlPlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            if await super().apply(entry) and self.did.count("apply ns.main") == 2:
                publisher.invalidate("ns.main")
                return True
            return self.did.count("apply ns.main") == 1

    publisher = loaded(Late())
    await publisher.apply(entry())
    publisher.reconnected()
    assert await publisher.apply(entry())
    assert not await publisher.apply(entry()), "it was found in order"


async def test_publisher_counts_the_writes_of_a_failed_attempt_as_a_repair() -> None:
    class Halfway(FakeControlPlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            await super().apply(entry)
            attempt = self.did.count("apply ns.main")
            if attempt == 2:
                raise PenstockError("broker_unavailable", "it was written, and the answer was lost")
            return attempt == 1

    publisher = loaded(Halfway())
    await publisher.apply(entry())
    publisher.invalidate("ns.main")
    with pytest.raises(PenstockError):
        await publisher.apply(entry())
    assert await publisher.apply(entry())
    publisher.invalidate("ns.main")
    assert not await publisher.apply(entry())


async def test_publisher_restores_entries_that_are_missing_in_a_new_reading() -> None:
    plane = FakeControlPlane()
    publisher = loaded(plane)
    await publisher.apply(entry())
    publisher.replace({})
    await publisher.apply(entry())
    assert plane.did.count("apply ns.main") == 2


async def test_publisher_creates_a_missing_catalogue_before_the_next_try() -> None:
    class Bucketless(FakeControlPlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            if self.did.count("prepare") < 2:
                raise PenstockError("broker_unavailable", "no such bucket")
            return await super().apply(entry)

    plane = Bucketless()
    publisher = loaded(plane)
    with pytest.raises(PenstockError):
        await publisher.apply(entry())
    await publisher.apply(entry())
    assert plane.did == ["prepare", "prepare", "apply ns.main"]
