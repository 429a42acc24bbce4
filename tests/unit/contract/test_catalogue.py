"""The route that serves a model: names, aliases, the wildcard, conflicts, and routes that are not ready."""

from typing import Literal

import msgspec
import pytest
from unit.support.catalogues import BOTH, catalogue, code_of, embedding, refused, route

from penstock_contract import codec
from penstock_contract.catalogue import Catalogue
from penstock_contract.errors import PenstockError


@pytest.mark.parametrize(
    ("requested", "key", "model", "label"),
    [
        ("gpt", "default.exact", "gpt", "gpt"),
        ("claude", "default.exact", "claude", "claude"),
        ("opus", "default.exact", "claude", "claude"),
        ("whatever/else", "default.rest", "whatever/else", "*"),
        ("*", "default.rest", "*", "*"),
    ],
    ids=["exact", "exact second", "alias", "wildcard", "the wildcard by its own name"],
)
def test_catalogue_finds_the_route_that_claims_a_model(requested: str, key: str, model: str, label: str) -> None:
    resolution = BOTH.resolve(requested, "Chat")

    assert (resolution.entry.key, resolution.model, resolution.model_label) == (key, model, label)


@pytest.mark.parametrize(
    ("requested", "key", "model", "label"),
    [
        ("team-a/gpt", "team-a.own", "gpt", "gpt"),
        ("team-a/short", "team-a.own", "gpt", "gpt"),
        # Another namespace's route of that very name cannot take its place.
        ("team-a/gpt-mini", "team-a.own", "gpt-mini", "gpt-mini"),
        ("team-b/anything/at-all", "team-b.rest", "anything/at-all", "*"),
        ("team-b/claimed", "default.literal", "team-b/claimed", "team-b/claimed"),
        ("team-c/gpt", "default.rest", "team-c/gpt", "*"),
        ("team-b/*", "default.rest", "team-b/*", "*"),
    ],
)
def test_catalogue_finds_a_model_by_its_namespace(requested: str, key: str, model: str, label: str) -> None:
    made = catalogue(
        route("own", {"name": "gpt", "aliases": ["short"]}, "gpt-mini", namespace="team-a"),
        route("rest", "*", namespace="team-b"),
        route("rest", "*", created_at=-1),
        route("literal", "team-a/gpt-mini", "team-b/claimed", created_at=-1),
    )
    found = made.resolve(requested, "Chat")
    assert (found.entry.key, found.model, found.model_label) == (key, model, label)


def test_catalogue_gives_a_client_no_new_label() -> None:
    assert {BOTH.resolve(f"made-up-{number}", "Chat").model_label for number in range(9)} == {"*"}


def test_catalogue_leaves_a_name_to_the_oldest_claimant() -> None:
    made = catalogue(route("a-new", "gpt", created_at=2), route("b-old", "gpt", created_at=1))

    assert made.resolve("gpt", "Chat").entry.name == "b-old"


def test_catalogue_orders_routes_of_the_same_age_by_their_key() -> None:
    made = catalogue(route("b", "gpt"), route("a", "gpt"))

    assert made.resolve("gpt", "Chat").entry.name == "a"


def test_catalogue_gives_a_deleted_routes_name_to_the_next_claimant() -> None:
    made = catalogue(route("new", "gpt", created_at=2), route("old", "gpt", created_at=1))
    made.put("default.old", None)

    assert made.resolve("gpt", "Chat").entry.name == "new"


def test_catalogue_keeps_the_name_of_a_route_that_is_not_ready() -> None:
    made = catalogue(route("down", "gpt", ready=False, reason="OPENAI_API_KEY is not set"), route("rest", "*"))

    error = refused(made, "gpt")

    assert error.code == "model_not_ready"
    assert "OPENAI_API_KEY is not set" in error.detail.message
    assert error.detail.retry_after_s == 5


def test_catalogue_has_no_unclaimed_model() -> None:
    error = refused(catalogue(route("main", "gpt")), "gtp")

    assert (error.code, error.detail.param) == ("model_not_found", "model")
    assert "'gtp'" in error.detail.message


def test_catalogue_has_no_deleted_model() -> None:
    made = catalogue(route("main", "gpt"))
    made.put("default.main", None)

    assert code_of(made, "gpt") == "model_not_found"


def test_catalogue_removes_the_old_names_of_a_changed_route() -> None:
    made = catalogue(route("main", "gpt"))
    made.put("default.main", route("main", "claude"))

    assert code_of(made, "gpt") == "model_not_found"
    assert made.resolve("claude", "Chat").entry.name == "main"


@pytest.mark.parametrize(
    ("model", "type_", "words"),
    [
        ("minilm", "Chat", "is not a chat model"),
        ("gpt", "Embedding", "is not an embedding model"),
        ("unclaimed", "Embedding", "is not an embedding model"),
    ],
)
def test_catalogue_rejects_a_model_of_the_other_type_as_an_invalid_request(
    model: str, type_: Literal["Chat", "Embedding"], words: str
) -> None:
    error = refused(BOTH, model, type_)

    assert (error.code, error.detail.param) == ("invalid_request", "model")
    assert words in error.detail.message


def test_catalogue_uses_the_configured_default_without_a_named_model() -> None:
    made = catalogue(route("main", "gpt", "claude"), Chat="claude")

    assert made.resolve(None, "Chat").model == "claude"


def test_catalogue_default_is_the_first_model_of_the_oldest_ready_route() -> None:
    made = catalogue(
        route("young", "third", created_at=3),
        route("down", "first", created_at=1, ready=False),
        route("old", embedding("vectors"), "*", "second", created_at=2),
    )

    assert made.resolve(None, "Chat").model == "second"
    assert made.resolve(None, "Embedding").model == "vectors"


def test_catalogue_default_is_no_name_of_another_route() -> None:
    made = catalogue(
        route("down", "gpt", created_at=1, ready=False),
        route("up", "gpt", "claude", created_at=2),
    )

    assert made.resolve(None, "Chat").model == "claude"


def test_catalogue_without_a_ready_route_has_no_default() -> None:
    assert code_of(catalogue(route("down", "gpt", ready=False)), None) == "model_not_found"


def test_catalogue_lists_names_and_aliases_of_ready_routes() -> None:
    made = catalogue(
        route("main", {"name": "gpt", "aliases": ["best"]}, "*"), route("down", "claude", ready=False, created_at=1)
    )

    assert [name for name, _ in made.models()] == ["gpt", "best"]


def test_catalogue_is_loaded_even_if_it_is_empty() -> None:
    made = Catalogue()
    assert not made.loaded

    made.replace({})

    assert made.loaded


def test_catalogue_finds_the_reason_of_a_route_by_its_key() -> None:
    broken = msgspec.structs.replace(route("broken", "a"), cause="the worker's image cannot be pulled")
    made = catalogue(route("well", "b"), broken)

    assert made.cause("default.broken") == "the worker's image cannot be pulled"
    assert made.cause("default.well") == ""
    assert made.cause("default.unknown") == ""


def test_catalogue_reads_an_entry_without_a_reason() -> None:
    written = msgspec.json.decode(codec.encode_json(route("old", "a")))
    del written["cause"]

    assert codec.decode_catalogue_entry(msgspec.json.encode(written)).cause == ""


def test_catalogue_model_may_exist_before_the_catalogue_is_complete() -> None:
    made = Catalogue()
    assert code_of(made, "gpt") == code_of(made, None) == "model_not_ready"
    made.replace({})
    assert code_of(made, "gpt") == "model_not_ready", "the store is there, and is still being filled"
    with pytest.raises(PenstockError, match="try again"):
        made.models()
    made.put("default.main", route("main", "claude"))
    assert made.resolve("claude", "Chat").model == "claude"
    assert code_of(made, "gpt") == "model_not_ready"
    made.completed()
    assert code_of(made, "gpt") == "model_not_found"
    assert [name for name, _ in made.models()] == ["claude"]


def test_catalogue_removes_nothing_before_a_refilled_store_is_complete() -> None:
    made = catalogue(route("main", "gpt"), route("old", "claude"))
    made.lost()
    made.replace({})
    made.put("default.main", route("main", "gpt", "o3"))
    assert {name for name, _ in made.models()} == {"gpt", "o3", "claude"}
    made.completed()
    assert {name for name, _ in made.models()} == {"gpt", "o3"}
    assert code_of(made, "claude") == "model_not_found"
