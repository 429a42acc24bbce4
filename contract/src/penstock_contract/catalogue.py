"""The catalogue of routes, as the control plane (operator or `penstock dev`) writes it to the KV store.

Gateways and workers watch it, so a change needs no restart.
"""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec, ModelSpec

WILDCARD = "*"
MayUse: TypeAlias = Callable[[str, Iterable[str]], bool]
"""Return whether the principal may use a route (`namespace.name`) for a model, given as any of its names."""


def _everything(_route: str, _models: Iterable[str]) -> bool:
    return True


class CatalogueEntry(Struct, frozen=True, kw_only=True):
    """`reason`, for clients: why the route is not ready. `created_at` is in Unix seconds.

    `cause`, for waiting clients: why no worker of a ready route takes requests now (its image cannot be pulled); empty
    without a problem, also at zero replicas.
    """

    namespace: str
    name: str
    created_at: int
    spec: ModelRouteSpec
    ready: bool = True
    reason: str = ""
    cause: str = ""

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
    """The routes as last received; lookups are dictionary reads.

    `loaded`: they are those of the store that is there. `known`: a complete catalogue has been received once. Until
    then a model that is not found may exist, so its absence is no answer.
    """

    def __init__(self, default_models: dict[str, str] | None = None) -> None:
        self._entries: dict[str, CatalogueEntry] = {}
        self._stored: dict[str, CatalogueEntry] = {}
        self._claims: dict[str, tuple[CatalogueEntry, ModelSpec]] = {}
        self._default_models = default_models or {}
        self.loaded = False
        self.known = False

    @property
    def entries(self) -> list[CatalogueEntry]:
        """Oldest first: the older route keeps a name that two claim."""
        return sorted(self._entries.values(), key=lambda entry: (entry.created_at, entry.key))

    def replace(self, entries: dict[str, CatalogueEntry]) -> None:
        """All that the store has now. What it lacks is served on until `completed`: it may be filled again."""
        self.loaded = True
        self._stored = dict(entries)
        self._serve({**self._entries, **entries})

    def completed(self) -> None:
        """The store has every route: what it lacks does not exist."""
        self.known = True
        self._serve(self._stored)

    def _serve(self, entries: dict[str, CatalogueEntry]) -> None:
        self._entries = dict(entries)
        self._claims = {}
        for entry in self.entries:
            for model in entry.spec.models:
                for name in (model.name, *model.aliases):
                    self._claims.setdefault(name, (entry, model))

    def lost(self) -> None:
        """The store is gone: the known routes are still served, but the process is not ready for new clients."""
        self.loaded = False

    def put(self, key: str, entry: CatalogueEntry | None) -> None:
        """Add or change one route; None takes it away."""
        entries = dict(self._entries)
        for changed in (self._stored, entries):
            if entry is None:
                changed.pop(key, None)
            else:
                changed[key] = entry
        self._serve(entries)

    def cause(self, key: str) -> str:
        """The reason why no worker serves the route `namespace.name` now; empty if no problem is known."""
        entry = self._entries.get(key)
        return entry.cause if entry is not None else ""

    def models(self, may_use: MayUse = _everything) -> list[tuple[str, CatalogueEntry]]:
        """Every name of every ready route, aliases too; `*` is not a name. Raises `model_not_ready` if not `known`."""
        self.require_known()
        return [
            (name, entry)
            for name, (entry, spec) in self._claims.items()
            if name != WILDCARD and entry.ready and may_use(entry.key, (name, spec.name))
        ]

    def resolve(
        self, model: str | None, type_: Literal["Chat", "Embedding"], may_use: MayUse = _everything
    ) -> Resolution:
        """The route for `model`, or for the default model of `type_` if None.

        A route that the key may not use is treated as absent, both as a name and as an owner of a name before the
        wildcard's route: no answer reveals that it exists.

        Raises `PenstockError`: `model_not_found`, `model_not_ready` (also for a model that is not found while the
        catalogue is not `known`), `invalid_request` for a model of the other type.
        """
        name = model or self._default(type_, may_use)
        claim = self._claimed(name, may_use)
        if claim is None:
            self.require_known()
            raise no_model(name)
        entry, spec = claim
        if spec.type != type_:
            wanted = "a chat model" if type_ == "Chat" else "an embedding model"
            raise PenstockError("invalid_request", f"the model {name!r} is not {wanted}", param="model")
        if not entry.ready:
            raise PenstockError("model_not_ready", f"the model {name!r} is not ready: {entry.reason}", retry_after_s=5)
        return Resolution(entry, name if spec.name == WILDCARD else spec.name, spec.name)

    def _claimed(self, name: str, may_use: MayUse) -> tuple[CatalogueEntry, ModelSpec] | None:
        for claimed in (name, WILDCARD):
            claim = self._claims.get(claimed)
            if claim is not None and may_use(claim[0].key, (name,) if claimed == WILDCARD else (name, claim[1].name)):
                return claim
        return None

    def _default(self, type_: Literal["Chat", "Embedding"], may_use: MayUse) -> str:
        configured = self._default_models.get(type_)
        if configured and (self._claimed(configured, may_use) or not self._claimed(configured, _everything)):
            return configured
        for entry in self.entries:
            for model in entry.spec.models:
                ours = self._claims[model.name][0] is entry
                if (
                    ours
                    and entry.ready
                    and model.type == type_
                    and model.name != WILDCARD
                    and may_use(entry.key, [model.name])
                ):
                    return model.name
        self.require_known()
        raise PenstockError("model_not_found", f"no ready route has a model of type {type_}", param="model")

    def require_known(self) -> None:
        """Raises `model_not_ready` until the first complete catalogue."""
        if not self.known:
            message = "the gateway has not received the list of models yet; try again"
            raise PenstockError("model_not_ready", message, retry_after_s=1)


SHOWN_MAX = 200
"""Characters of a name that an error repeats."""


def no_model(name: str) -> PenstockError:
    """One answer for what is not there and for what one may not use."""
    shown = name if len(name) <= SHOWN_MAX else f"{name[:SHOWN_MAX]}…"
    return PenstockError("model_not_found", f"the model {shown!r} does not exist, or not for you", param="model")
