"""What the catalogue holds: written when it has to be, and remembered though the broker forgot."""

from collections.abc import Callable

import pytest

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec, ModelSpec, ProviderSpec, SimulatedSpec
from penstock_operator.routes.publisher import Publications

SPEC = ModelRouteSpec(
    models=[ModelSpec(name="m")],
    providers=[ProviderSpec(name="p", type="Simulated", simulated=SimulatedSpec())],
)


def entry(name: str = "main", *, cause: str = "") -> CatalogueEntry:
    return CatalogueEntry(namespace="ns", name=name, created_at=1, spec=SPEC, cause=cause)


class FakePlane:
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


def loaded(plane: FakePlane, *entries: CatalogueEntry) -> Publications:
    publications = Publications(plane)
    publications.replace({one.key: one for one in entries})
    return publications


async def test_nothing_is_published_before_the_catalogue_was_read_but_it_is_made() -> None:
    plane = FakePlane()
    publications = Publications(plane)
    with pytest.raises(PenstockError):
        await publications.apply(entry())
    assert plane.did == ["prepare"]
    publications.replace({})
    await publications.apply(entry())
    assert plane.did == ["prepare", "apply ns.main"]


async def test_a_catalogue_that_is_read_while_it_is_made_sure_of_is_not_written_by_who_decided_before() -> None:
    plane = FakePlane()
    publications = Publications(plane)
    plane.preparing = lambda: publications.replace({"ns.main": entry()})
    with pytest.raises(PenstockError):
        await publications.apply(entry(cause="not the last good one"))
    assert publications.entry("ns.main") == entry()
    assert plane.did == ["prepare"]


async def test_there_is_a_catalogue_before_there_is_a_route_and_again_when_the_broker_forgot() -> None:
    plane = FakePlane()
    publications = Publications(plane)
    await publications.provide()
    await publications.provide()
    assert plane.did == ["prepare"]
    publications.reconnected()
    await publications.provide()
    assert plane.did == ["prepare", "prepare"]


async def test_an_entry_that_is_there_is_not_set_up_again_and_a_changed_one_is() -> None:
    plane = FakePlane()
    publications = loaded(plane)
    for cause in ("", "", "starting", "starting"):
        await publications.apply(entry(cause=cause))
    assert plane.did == ["prepare", "apply ns.main", "apply ns.main starting"]


async def test_after_a_reconnect_everything_is_set_up_again() -> None:
    plane = FakePlane()
    publications = loaded(plane)
    await publications.apply(entry())
    publications.reconnected()
    await publications.apply(entry())
    assert plane.did == ["prepare", "apply ns.main"] * 2


async def test_a_queue_that_is_said_to_be_missing_is_set_up_again() -> None:
    plane = FakePlane()
    publications = loaded(plane)
    await publications.apply(entry())
    publications.doubt("ns.main")
    await publications.apply(entry())
    assert plane.did == ["prepare", "apply ns.main", "apply ns.main"]


async def test_what_could_not_be_published_is_not_counted_as_published() -> None:
    plane = FakePlane()
    publications = loaded(plane)
    await publications.apply(entry())
    plane.away = True
    with pytest.raises(PenstockError):
        await publications.apply(entry(cause="starting"))
    assert publications.entry("ns.main") == entry()
    plane.away = False
    await publications.apply(entry(cause="starting"))
    assert plane.did[-1] == "apply ns.main starting"


async def test_what_we_published_is_known_also_when_the_broker_forgot_it() -> None:
    publications = loaded(FakePlane())
    await publications.apply(entry())
    publications.replace({})
    assert publications.entry("ns.main") == entry()
    assert publications.names() == {"ns.main"}


async def test_what_an_earlier_leader_published_is_known_as_it_changes() -> None:
    publications = loaded(FakePlane(), entry("a"))
    publications.put("ns.b", entry("b"))
    assert publications.names() == {"ns.a", "ns.b"}
    publications.put("ns.a", None)
    assert publications.entry("ns.a") is None


async def test_a_removal_is_done_once_and_only_for_what_may_be_there() -> None:
    plane = FakePlane()
    publications = loaded(plane, entry("a"))
    await publications.remove("ns.a")
    await publications.remove("ns.a")
    await publications.remove("ns.never")
    assert plane.did == ["prepare", "remove ns.a"]
    assert publications.entry("ns.a") is None


async def test_a_removal_that_failed_is_still_to_be_done() -> None:
    plane = FakePlane()
    publications = loaded(plane, entry("a"))
    plane.away = True
    with pytest.raises(PenstockError):
        await publications.remove("ns.a")
    assert publications.names() == {"ns.a"}


async def test_a_change_that_undoes_ours_is_told_and_mended_once() -> None:
    plane = FakePlane()
    publications = loaded(plane)
    assert not await publications.apply(entry()), "the first time nothing is mended"
    assert not publications.put("ns.main", entry()), "that was ours"
    assert not publications.put("ns.other", None), "that is nobody's"
    assert publications.put("ns.main", entry(cause="somebody else's word"))
    assert await publications.apply(entry())
    assert not await publications.apply(entry())
    assert plane.did.count("apply ns.main") == 2


async def test_a_change_of_our_own_mends_nothing_though_it_is_heard_before_it_is_done() -> None:
    class Echoing(FakePlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            heard.append(publications.put(entry.key, entry))
            return await super().apply(entry)

    heard: list[bool] = []
    publications = loaded(Echoing())
    await publications.apply(entry())
    assert not await publications.apply(entry(cause="starting"))
    assert heard == [False, False], "it is known to be ours"
    assert not await publications.apply(entry(cause="starting"))


async def test_what_is_said_to_be_missing_while_it_is_applied_is_applied_again() -> None:
    class Losing(FakePlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            written = await super().apply(entry)
            if self.did.count("apply ns.main") == 2:
                publications.doubt("ns.main")  # the bucket went after it had been looked at
            return written

    plane = Losing()
    publications = loaded(plane)
    await publications.apply(entry())
    publications.doubt("ns.main")
    assert await publications.apply(entry())
    assert await publications.apply(entry()), "mended once more"
    assert not await publications.apply(entry())
    assert plane.did.count("apply ns.main") == 3


async def test_the_catalogue_is_marked_as_complete_once_and_again_after_a_reconnect() -> None:
    plane = FakePlane()
    publications = loaded(plane)
    await publications.complete()
    await publications.complete()
    assert plane.did == ["complete"]
    publications.reconnected()
    plane.away = True
    with pytest.raises(PenstockError):
        await publications.complete()
    plane.away = False
    await publications.complete()
    assert plane.did == ["complete", "complete"]


async def test_what_a_pass_wrote_that_had_begun_before_the_word_of_the_loss_is_told_as_mended() -> None:
    class Late(FakePlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            if await super().apply(entry) and self.did.count("apply ns.main") == 2:
                publications.doubt("ns.main")
                return True
            return self.did.count("apply ns.main") == 1

    publications = loaded(Late())
    await publications.apply(entry())
    publications.reconnected()
    assert await publications.apply(entry())
    assert not await publications.apply(entry()), "it was found in order"


async def test_what_an_attempt_wrote_before_it_failed_is_told_as_mended_by_the_next_one() -> None:
    class Halfway(FakePlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            await super().apply(entry)
            attempt = self.did.count("apply ns.main")
            if attempt == 2:
                raise PenstockError("broker_unavailable", "it was written, and the answer was lost")
            return attempt == 1

    publications = loaded(Halfway())
    await publications.apply(entry())
    publications.doubt("ns.main")
    with pytest.raises(PenstockError):
        await publications.apply(entry())
    assert await publications.apply(entry())
    publications.doubt("ns.main")
    assert not await publications.apply(entry())


async def test_what_a_new_reading_of_the_catalogue_does_not_have_is_applied_again() -> None:
    plane = FakePlane()
    publications = loaded(plane)
    await publications.apply(entry())
    publications.replace({})
    await publications.apply(entry())
    assert plane.did.count("apply ns.main") == 2


async def test_a_catalogue_that_turns_out_to_be_missing_is_made_before_the_next_try() -> None:
    class Bucketless(FakePlane):
        async def apply(self, entry: CatalogueEntry) -> bool:
            if self.did.count("prepare") < 2:
                raise PenstockError("broker_unavailable", "no such bucket")
            return await super().apply(entry)

    plane = Bucketless()
    publications = loaded(plane)
    with pytest.raises(PenstockError):
        await publications.apply(entry())
    await publications.apply(entry())
    assert plane.did == ["prepare", "prepare", "apply ns.main"]
