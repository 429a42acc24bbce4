"""What every door needs, as one dependency: Litestar resolves two or more in a task group, per request."""

from msgspec import Struct

from penstock_broker.connection import Connection
from penstock_contract.catalogue import Catalogue
from penstock_gateway.access.key_cache import KeyRing
from penstock_gateway.streaming.dispatcher import Dispatcher


class Desk(Struct, frozen=True):
    catalogue: Catalogue
    connection: Connection
    dispatcher: Dispatcher
    ring: KeyRing | None = None
