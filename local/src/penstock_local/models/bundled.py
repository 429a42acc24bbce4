"""The bundled models, as a route refers to them: by the names of their Services in the cluster.

On a laptop no such name resolves; the provider's URL is pointed at the local model server instead. Pure: who starts
that server, and when, is not known here.
"""

from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from penstock_contract.route.provider import ProviderSpec
from penstock_contract.route.spec import ModelRouteSpec

BundledModel: TypeAlias = Literal["chat", "embedding"]

SERVICES: Final[dict[str, BundledModel]] = {"penstock-chat-model": "chat", "penstock-embedding-model": "embedding"}
TITLES: Final[dict[BundledModel, str]] = {"chat": "SmolLM2-135M", "embedding": "all-MiniLM-L6-v2"}


class ModelState(msgspec.Struct, frozen=True):
    """A model's address (`http://127.0.0.1:40123`), or the reason of its failure; neither while it loads."""

    address: str | None = None
    failure: str | None = None


def bundled_model(provider: ProviderSpec) -> BundledModel | None:
    """The bundled model behind a provider, if that is what it names."""
    host = urlsplit(provider.base_url).hostname if provider.base_url else None
    return SERVICES.get(host) if host else None


def localized(spec: ModelRouteSpec, models: dict[BundledModel, ModelState]) -> ModelRouteSpec:
    """`spec` with the Services' names replaced by local addresses, as far as these are known."""
    return msgspec.structs.replace(spec, providers=[_localized(provider, models) for provider in spec.providers])


def _localized(provider: ProviderSpec, models: dict[BundledModel, ModelState]) -> ProviderSpec:
    model = bundled_model(provider)
    state = models.get(model) if model else None
    if provider.base_url is None or state is None or state.address is None:
        return provider
    return msgspec.structs.replace(provider, base_url=state.address + urlsplit(provider.base_url).path)
