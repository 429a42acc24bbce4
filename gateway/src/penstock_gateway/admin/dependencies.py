"""What the admin API's handlers need, as one dependency."""

from msgspec import Struct

from penstock_broker.connection import Connection
from penstock_broker.stores.keys import KeyStore
from penstock_runtime.clock import Clock


class AdminDesk(Struct, frozen=True):
    keys: KeyStore
    clock: Clock
    connection: Connection
