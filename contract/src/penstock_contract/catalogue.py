"""The catalogue of routes, as the control plane (operator or `penstock dev`) writes it to the KV store.

Gateways and workers watch it, so a change needs no restart.
"""

from typing import Literal

from msgspec import Struct

from penstock_contract.errors import PenstockError
from penstock_contract.route import ModelRouteSpec, ModelSpec

WILDCARD = "*"


class CatalogueEntry(Struct, frozen=True, kw_only=True):
    """`reason` says why a route is not ready, in words for a client. `created_at` is in Unix seconds."""

    namespace: str
    name: str
    created_at: int
    spec: ModelRouteSpec
    ready: bool = True
    reason: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}.{self.name}"


class Resolution(Struct, frozen=True):
    """The route that serves a model. `model` is the route's own name of it, also if the client used an alias.

    `model_label` is for metrics: `*` for a model that only a wildcard covers, so that clients cannot make new labels.
    """

    entry: CatalogueEntry
    model: str
    model_label: str


class Catalogue:
    """The routes as last heard; lookups are dictionary reads."""

    def __init__(self, default_models: dict[str, str] | None = None) -> None:
        self._entries: dict[str, CatalogueEntry] = {}
        self._claims: dict[str, tuple[CatalogueEntry, ModelSpec]] = {}
        self._default_models = default_models or {}
        self.loaded = False

    @property
    def entries(self) -> list[CatalogueEntry]:
        """Oldest first: the older route keeps a name that two claim."""
        return sorted(self._entries.values(), key=lambda entry: (entry.created_at, entry.key))

    def replace(self, entries: dict[str, CatalogueEntry]) -> None:
        self._entries = dict(entries)
        self.loaded = True
        self._claims = {}
        for entry in self.entries:
            for model in entry.spec.models:
                for name in (model.name, *model.aliases):
                    self._claims.setdefault(name, (entry, model))

    def put(self, key: str, entry: CatalogueEntry | None) -> None:
        """Add or change one route; None takes it away."""
        entries = dict(self._entries)
        if entry is None:
            entries.pop(key, None)
        else:
            entries[key] = entry
        self.replace(entries)

    def models(self) -> list[tuple[str, CatalogueEntry]]:
        """Every name of every ready route, aliases too; `*` is not a name."""
        return [(name, entry) for name, (entry, _) in self._claims.items() if name != WILDCARD and entry.ready]

    def resolve(self, model: str | None, type_: Literal["Chat", "Embedding"]) -> Resolution:
        """The route for `model`, or for the default model of `type_` if None.

        Raises `PenstockError`: `model_not_found`, `model_not_ready`, `invalid_request` for a model of the other type.
        """
        name = model or self._default(type_)
        claim = self._claims.get(name) or self._claims.get(WILDCARD)
        if claim is None:
            raise PenstockError("model_not_found", f"the model {name!r} does not exist", param="model")
        entry, spec = claim
        if spec.type != type_:
            wanted = "a chat model" if type_ == "Chat" else "an embedding model"
            raise PenstockError("invalid_request", f"the model {name!r} is not {wanted}", param="model")
        if not entry.ready:
            raise PenstockError("model_not_ready", f"the model {name!r} is not ready: {entry.reason}", retry_after_s=5)
        return Resolution(entry, name if spec.name == WILDCARD else spec.name, spec.name)

    def _default(self, type_: Literal["Chat", "Embedding"]) -> str:
        if configured := self._default_models.get(type_):
            return configured
        for entry in self.entries:
            for model in entry.spec.models:
                ours = self._claims[model.name][0] is entry
                if ours and entry.ready and model.type == type_ and model.name != WILDCARD:
                    return model.name
        raise PenstockError("model_not_found", f"no ready route has a model of type {type_}", param="model")
