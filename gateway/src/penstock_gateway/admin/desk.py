"""What the admin API's handlers need, as one dependency."""

from msgspec import Struct

from penstock_contract.broker.connection import Connection
from penstock_contract.broker.keys import KeyStore
from penstock_contract.clock import Clock


class AdminDesk(Struct, frozen=True):
    keys: KeyStore
    clock: Clock
    connection: Connection
