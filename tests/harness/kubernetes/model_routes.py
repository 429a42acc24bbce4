"""Routes for tests, their status, and their entries in the catalogue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from harness.kubernetes.api import Manifest

from penstock_broker.connection import Connection
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_contract.catalogue import CatalogueEntry

READ_S = 10.0


def model_route(name: str = "main", *, models: tuple[str, ...] = ("simulated",), **spec: Any) -> Manifest:
    """A route with a provider that needs nothing. `spec` are further fields, in camelCase."""
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": name},
        "spec": {
            "models": [{"name": model} for model in models],
            "providers": [{"name": "simulated", "type": "Simulated", "simulated": {"tokens": 4}}],
            **spec,
        },
    }


def condition(route: Mapping[str, Any], type_: str) -> str:
    """Status and reason, like `True Accepted`; empty if the operator has not written it yet."""
    for one in route.get("status", {}).get("conditions", []):
        if one["type"] == type_:
            return f"{one['status']} {one['reason']}"
    return ""


def settled(route: Mapping[str, Any]) -> bool:
    """True if the status is of the current spec."""
    return bool(route.get("status", {}).get("observedGeneration") == route["metadata"]["generation"])


def served(route: Mapping[str, Any]) -> bool:
    """True if the current spec is in force: the catalogue has it too."""
    return settled(route) and condition(route, "Serving").startswith("True")


@contextlib.asynccontextmanager
async def catalogue_of(nats_url: str) -> AsyncIterator[dict[str, CatalogueEntry]]:
    """The catalogue's entries by key, as a gateway receives them."""
    connection = Connection(nats_url, "test", inbox_prefix="_INBOX_test")
    entries: dict[str, CatalogueEntry] = {}
    read = asyncio.Event()

    def replace(all_: dict[str, CatalogueEntry]) -> None:
        entries.clear()
        entries.update(all_)
        read.set()

    def put(key: str, entry: CatalogueEntry | None) -> None:
        entries.pop(key, None)
        if entry is not None:
            entries[key] = entry

    watch = CatalogueWatch(connection, replace=replace, put=put)
    await connection.start()
    async with asyncio.timeout(READ_S):
        await read.wait()
    yield entries
    await watch.close()
    await connection.close()
