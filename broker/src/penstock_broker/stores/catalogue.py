"""The catalogue in NATS KV: written by the control plane, watched by gateways and workers.

Beside the routes it has one mark, which the control plane writes after all routes. Without the mark the catalogue is
not complete: a restarted broker is being filled again.
"""

from collections.abc import Callable
from enum import Enum

import msgspec
import structlog

from penstock_broker.connection import Connection
from penstock_broker.stores.kv_watch import BucketWatch
from penstock_contract import codec, subjects
from penstock_contract.catalogue import CatalogueEntry

log = structlog.get_logger("penstock.broker")


class _Mark(Enum):
    COMPLETE = "complete"


class CatalogueWatch(BucketWatch[CatalogueEntry | _Mark]):
    """`completed` is called after `replace` if the mark is there, and when it is written."""

    def __init__(
        self,
        connection: Connection,
        *,
        replace: Callable[[dict[str, CatalogueEntry]], None],
        put: Callable[[str, CatalogueEntry | None], None],
        deleted: Callable[[], None] = lambda: None,
        completed: Callable[[], None] = lambda: None,
    ) -> None:
        def on_all(values: dict[str, CatalogueEntry | _Mark]) -> None:
            replace({key: value for key, value in values.items() if isinstance(value, CatalogueEntry)})
            if subjects.CATALOGUE_COMPLETE in values:
                completed()

        def on_one(key: str, value: CatalogueEntry | _Mark | None) -> None:
            if value is _Mark.COMPLETE:
                completed()
            elif key != subjects.CATALOGUE_COMPLETE:
                put(key, value)

        super().__init__(connection, subjects.CATALOGUE_BUCKET, _decode, replace=on_all, put=on_one, deleted=deleted)


def _decode(key: str, value: bytes) -> CatalogueEntry | _Mark | None:
    if key == subjects.CATALOGUE_COMPLETE:
        return _Mark.COMPLETE
    try:
        return codec.decode_catalogue_entry(value)
    except msgspec.DecodeError as error:
        log.error("catalogue.entry_unreadable", key=key, detail=str(error)[:200])  # noqa: TRY400 - without a traceback
        return None
