"""What every door needs, as one dependency: Litestar resolves two or more in a task group, per request."""

from typing import Any

from litestar import Request
from msgspec import Struct

from penstock_contract.broker.connection import Connection
from penstock_contract.catalogue import Catalogue
from penstock_gateway.dispatch import Dispatcher
from penstock_gateway.keyring import KeyRing

HttpRequest = Request[Any, Any, Any]
"""Nothing of a request's user, auth or state is ours to type."""


class Desk(Struct, frozen=True):
    catalogue: Catalogue
    connection: Connection
    dispatcher: Dispatcher
    ring: KeyRing | None = None
