"""Who asks: made by authentication, before any door sees the request."""

from collections.abc import Iterable

from msgspec import Struct

from penstock_contract.limits.keys import KeyRecord
from penstock_contract.subjects import ANONYMOUS_TENANT


class Caller(Struct, frozen=True):
    """The holder of a key, or anybody where authentication is off."""

    key: KeyRecord | None = None

    @property
    def tenant(self) -> str:
        """A subject token: our own id of the key, never anything that was typed."""
        return ANONYMOUS_TENANT if self.key is None else self.key.id

    @property
    def restricted(self) -> bool:
        """Whether there are routes or models that it may not use."""
        return self.key is not None and bool(self.key.spec.routes or self.key.spec.models)

    def may_use(self, route: str, models: Iterable[str]) -> bool:
        return self.key is None or self.key.may_use(route, models)


ANONYMOUS = Caller()
