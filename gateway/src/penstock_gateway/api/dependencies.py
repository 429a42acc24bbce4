"""The dependencies of the handlers, as one object: Litestar resolves two or more in a task group, per request."""

from typing import Literal

from msgspec import Struct

from penstock_broker.connection import Connection
from penstock_contract.catalogue import Catalogue, Resolution
from penstock_gateway.access.key_cache import KeyCache
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.resume.chat_streams import ChatStreams
from penstock_gateway.resume.resumable_streams import ResumableStreams
from penstock_gateway.streaming.dispatcher import Dispatcher
from penstock_runtime.clock import Clock


class ApiDependencies(Struct, frozen=True):
    """`keys` is None where authentication is off."""

    catalogue: Catalogue
    connection: Connection
    dispatcher: Dispatcher
    clock: Clock
    streams: ResumableStreams
    chats: ChatStreams
    keys: KeyCache | None = None

    def resolve(self, model: str | None, type_: Literal["Chat", "Embedding"], context: RequestContext) -> Resolution:
        """The route of a model that the principal may use. Raises like `Catalogue.resolve`."""
        return self.catalogue.resolve(model, type_, context.principal.may_use)
