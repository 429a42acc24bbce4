"""The principal of a request: the holder of an API key, or the anonymous one where authentication is off."""

from collections.abc import Iterable

from msgspec import Struct

from penstock_contract.limits.api_keys import KeyRecord
from penstock_contract.subjects import ANONYMOUS_TENANT


class Principal(Struct, frozen=True):
    """Made by authentication, before a handler runs; `key` is None for the anonymous principal."""

    key: KeyRecord | None = None

    @property
    def tenant(self) -> str:
        """A subject token: the key's generated id, never text of a client."""
        return ANONYMOUS_TENANT if self.key is None else self.key.id

    @property
    def restricted(self) -> bool:
        """True if some routes or models are not permitted."""
        return self.key is not None and bool(self.key.spec.routes or self.key.spec.models)

    def may_use(self, route: str, models: Iterable[str]) -> bool:
        return self.key is None or self.key.may_use(route, models)


ANONYMOUS = Principal()
