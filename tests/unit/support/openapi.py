"""The OpenAPI document of a gateway with all its endpoints."""

import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import LitestarDeprecationWarning
from litestar.testing import TestClient

from penstock_gateway.api.openapi.document import configuration
from penstock_gateway.composition import HANDLERS


def served(*, keys_required: bool = True) -> dict[str, Any]:
    with warnings.catch_warnings():
        # Litestar 3's way to name a dependency is not used here.
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        app = Litestar(
            HANDLERS,
            dependencies={"api": Provide(lambda: None, sync_to_thread=False)},
            openapi_config=configuration("1.2.3", keys_required=keys_required),
        )
    with TestClient(app) as client:
        found: dict[str, Any] = msgspec.json.decode(client.get("/schema/openapi.json").content)
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
