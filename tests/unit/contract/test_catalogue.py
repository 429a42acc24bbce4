"""Which route serves a model: names, aliases, the wildcard, conflicts, and what is not ready."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec
import pytest

from penstock_contract import codec
from penstock_contract.catalogue import Catalogue, CatalogueEntry
from penstock_contract.errors import ErrorCode, PenstockError
from penstock_contract.route.spec import ModelRouteSpec


def route(name: str, *models: Any, created_at: int = 0, ready: bool = True, reason: str = "") -> CatalogueEntry:
    spec = msgspec.convert(
        {
            "models": [{"name": model} if isinstance(model, str) else model for model in models],
            "providers": [{"name": "p", "type": "OpenAI"}],
        },
        ModelRouteSpec,
    )
    return CatalogueEntry(namespace="default", name=name, created_at=created_at, spec=spec, ready=ready, reason=reason)


def catalogue(*entries: CatalogueEntry, **default_models: str) -> Catalogue:
    made = Catalogue(default_models)
    made.replace({entry.key: entry for entry in entries})
    made.completed()
    return made


def embedding(name: str) -> dict[str, Any]:
    return {"name": name, "type": "Embedding"}


def refused(made: Catalogue, model: str | None, type_: Literal["Chat", "Embedding"] = "Chat") -> PenstockError:
    with pytest.raises(PenstockError) as error:
        made.resolve(model, type_)
    return error.value


def code_of(made: Catalogue, model: str | None, type_: Literal["Chat", "Embedding"] = "Chat") -> ErrorCode:
    return refused(made, model, type_).code


BOTH = catalogue(
    route("exact", "gpt", {"name": "claude", "aliases": ["sonnet", "opus"]}),
    route("rest", "*", created_at=-1),
    route("vectors", embedding("minilm")),
)


@pytest.mark.parametrize(
    ("asked", "key", "model", "label"),
    [
        ("gpt", "default.exact", "gpt", "gpt"),
        ("claude", "default.exact", "claude", "claude"),
        ("opus", "default.exact", "claude", "claude"),
        ("whatever/else", "default.rest", "whatever/else", "*"),
        ("*", "default.rest", "*", "*"),
    ],
    ids=["exact", "exact second", "alias", "wildcard", "the wildcard by its own name"],
)
def test_a_model_is_served_by_the_route_that_claims_it(asked: str, key: str, model: str, label: str) -> None:
    resolution = BOTH.resolve(asked, "Chat")

    assert (resolution.entry.key, resolution.model, resolution.model_label) == (key, model, label)


def test_a_client_cannot_make_a_new_label() -> None:
    assert {BOTH.resolve(f"made-up-{number}", "Chat").model_label for number in range(9)} == {"*"}


def test_the_oldest_route_keeps_a_name_that_two_claim() -> None:
    made = catalogue(route("a-new", "gpt", created_at=2), route("b-old", "gpt", created_at=1))

    assert made.resolve("gpt", "Chat").entry.name == "b-old"


def test_routes_of_the_same_age_are_told_apart_by_their_key() -> None:
    made = catalogue(route("b", "gpt"), route("a", "gpt"))

    assert made.resolve("gpt", "Chat").entry.name == "a"


def test_a_name_goes_to_the_next_claimant_when_the_oldest_route_is_deleted() -> None:
    made = catalogue(route("new", "gpt", created_at=2), route("old", "gpt", created_at=1))
    made.put("default.old", None)

    assert made.resolve("gpt", "Chat").entry.name == "new"


def test_a_name_of_a_route_that_is_not_ready_stays_its_own() -> None:
    made = catalogue(route("down", "gpt", ready=False, reason="OPENAI_API_KEY is not set"), route("rest", "*"))

    error = refused(made, "gpt")

    assert error.code == "model_not_ready"
    assert "OPENAI_API_KEY is not set" in error.detail.message
    assert error.detail.retry_after_s == 5


def test_a_model_that_nobody_claims_does_not_exist() -> None:
    error = refused(catalogue(route("main", "gpt")), "gtp")

    assert (error.code, error.detail.param) == ("model_not_found", "model")
    assert "'gtp'" in error.detail.message


def test_a_model_that_was_deleted_does_not_exist_any_more() -> None:
    made = catalogue(route("main", "gpt"))
    made.put("default.main", None)

    assert code_of(made, "gpt") == "model_not_found"


def test_a_route_that_was_changed_loses_its_old_names() -> None:
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
def test_a_model_of_the_other_type_is_an_invalid_request(
    model: str, type_: Literal["Chat", "Embedding"], words: str
) -> None:
    error = refused(BOTH, model, type_)

    assert (error.code, error.detail.param) == ("invalid_request", "model")
    assert words in error.detail.message


def test_the_configured_default_is_taken_when_no_model_is_named() -> None:
    made = catalogue(route("main", "gpt", "claude"), Chat="claude")

    assert made.resolve(None, "Chat").model == "claude"


def test_without_a_configured_default_it_is_the_first_model_of_the_oldest_ready_route() -> None:
    made = catalogue(
        route("young", "third", created_at=3),
        route("down", "first", created_at=1, ready=False),
        route("old", embedding("vectors"), "*", "second", created_at=2),
    )

    assert made.resolve(None, "Chat").model == "second"
    assert made.resolve(None, "Embedding").model == "vectors"


def test_a_name_that_another_route_keeps_is_no_default() -> None:
    made = catalogue(
        route("down", "gpt", created_at=1, ready=False),
        route("up", "gpt", "claude", created_at=2),
    )

    assert made.resolve(None, "Chat").model == "claude"


def test_without_any_ready_route_there_is_no_default() -> None:
    assert code_of(catalogue(route("down", "gpt", ready=False)), None) == "model_not_found"


def test_the_models_are_the_names_and_aliases_of_ready_routes() -> None:
    made = catalogue(
        route("main", {"name": "gpt", "aliases": ["best"]}, "*"), route("down", "claude", ready=False, created_at=1)
    )

    assert [name for name, _ in made.models()] == ["gpt", "best"]


def test_a_catalogue_is_loaded_even_if_it_is_empty() -> None:
    made = Catalogue()
    assert not made.loaded

    made.replace({})

    assert made.loaded


def may_use(*allowed: str) -> Callable[[str, Iterable[str]], bool]:
    """For these models of any route, as `route/model`."""
    return lambda key, models: any(f"{key}/{model}" in allowed for model in models)


def test_what_one_may_not_use_does_not_exist_word_for_word() -> None:
    allowed = may_use("default.exact/gpt")
    assert [name for name, _ in BOTH.models(allowed)] == ["gpt"]
    assert BOTH.resolve("gpt", "Chat", allowed).model == "gpt"
    messages = set()
    for name in ("claude", "opus", "minilm", "nobody"):
        with pytest.raises(PenstockError) as error:
            BOTH.resolve(name, "Chat", allowed)
        messages.add((error.value.code, error.value.detail.message.replace(name, "…")))
    assert len(messages) == 1


def test_one_allowed_name_of_a_model_is_enough() -> None:
    assert BOTH.resolve("opus", "Chat", may_use("default.exact/claude")).model == "claude"
    assert BOTH.resolve("opus", "Chat", may_use("default.exact/opus")).model == "claude"


def test_a_name_of_a_route_that_one_may_not_use_falls_to_the_wildcard_as_any_other() -> None:
    allowed = may_use("default.rest/claude", "default.rest/nobody")
    assert BOTH.resolve("claude", "Chat", allowed).entry.name == "rest"
    assert BOTH.resolve("nobody", "Chat", allowed).entry.name == "rest"


def test_a_default_that_one_may_not_use_is_the_next_that_one_may() -> None:
    made = catalogue(route("first", "gpt"), route("second", "claude", created_at=1), Chat="gpt")
    assert made.resolve(None, "Chat").model == "gpt"
    assert made.resolve(None, "Chat", may_use("default.second/claude")).model == "claude"
    with pytest.raises(PenstockError) as error:
        made.resolve(None, "Chat", may_use())
    assert "gpt" not in error.value.detail.message


def test_a_route_that_is_not_ready_is_hidden_too() -> None:
    made = catalogue(route("first", "gpt", ready=False, reason="secret"))
    with pytest.raises(PenstockError) as error:
        made.resolve("gpt", "Chat", may_use())
    assert error.value.code == "model_not_found"


def test_the_cause_of_a_route_is_told_by_its_key() -> None:
    broken = msgspec.structs.replace(route("broken", "a"), cause="the worker's image cannot be pulled")
    made = catalogue(route("well", "b"), broken)

    assert made.cause("default.broken") == "the worker's image cannot be pulled"
    assert made.cause("default.well") == ""
    assert made.cause("default.unknown") == ""


def test_an_entry_written_before_there_were_causes_has_none() -> None:
    written = msgspec.json.decode(codec.encode_json(route("old", "a")))
    del written["cause"]

    assert codec.decode_catalogue_entry(msgspec.json.encode(written)).cause == ""


def test_a_model_that_is_not_found_before_the_catalogue_is_complete_may_exist() -> None:
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


def test_a_store_that_is_filled_again_takes_nothing_away_before_it_is_complete() -> None:
    made = catalogue(route("main", "gpt"), route("old", "claude"))
    made.lost()
    made.replace({})
    made.put("default.main", route("main", "gpt", "o3"))
    assert {name for name, _ in made.models()} == {"gpt", "o3", "claude"}
    made.completed()
    assert {name for name, _ in made.models()} == {"gpt", "o3"}
    assert code_of(made, "claude") == "model_not_found"
