"""The dependencies of the admin API's handlers, as one object."""

from msgspec import Struct

from penstock_broker.connection import Connection
from penstock_broker.stores.api_keys import KeyStore
from penstock_gateway.fleet.observer import FleetObserver
from penstock_runtime.clock import Clock


class AdminDependencies(Struct, frozen=True):
    keys: KeyStore
    clock: Clock
    connection: Connection
    fleet: FleetObserver
