"""A catalogue of three routes, and functions that make others."""

from typing import Any, Literal

import msgspec
import pytest

from penstock_contract.catalogue import Catalogue, CatalogueEntry
from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec


def route(
    name: str,
    *models: Any,
    created_at: int = 0,
    ready: bool = True,
    reason: str = "",
    namespace: str = "default",
) -> CatalogueEntry:
    spec = msgspec.convert(
        {
            "models": [{"name": model} if isinstance(model, str) else model for model in models],
            "providers": [{"name": "p", "type": "OpenAI"}],
        },
        ModelRouteSpec,
    )
    return CatalogueEntry(namespace=namespace, name=name, created_at=created_at, spec=spec, ready=ready, reason=reason)


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
