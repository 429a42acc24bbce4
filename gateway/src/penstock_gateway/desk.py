"""What every door needs, as one dependency: Litestar resolves two or more in a task group, per request."""

from msgspec import Struct

from penstock_contract.broker.connection import Connection
from penstock_contract.catalogue import Catalogue
from penstock_gateway.dispatch import Dispatcher
from penstock_gateway.keyring import KeyRing


class Desk(Struct, frozen=True):
    catalogue: Catalogue
    connection: Connection
    dispatcher: Dispatcher
    ring: KeyRing | None = None
