"""The catalogue in NATS KV: written by the control plane, watched by gateways and workers."""

from collections.abc import Callable

import msgspec
import structlog

from penstock_contract import codec, subjects
from penstock_contract.broker.connection import Connection
from penstock_contract.broker.watch import BucketWatch
from penstock_contract.catalogue import CatalogueEntry

log = structlog.get_logger("penstock.broker")


class CatalogueWatch(BucketWatch[CatalogueEntry]):
    def __init__(
        self,
        connection: Connection,
        *,
        replace: Callable[[dict[str, CatalogueEntry]], None],
        put: Callable[[str, CatalogueEntry | None], None],
        deleted: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(connection, subjects.CATALOGUE_BUCKET, _decode, replace=replace, put=put, deleted=deleted)


def _decode(key: str, value: bytes) -> CatalogueEntry | None:
    try:
        return codec.decode_catalogue_entry(value)
    except msgspec.DecodeError as error:
        log.error("catalogue.entry_unreadable", key=key, detail=str(error)[:200])  # noqa: TRY400 - the detail says it
        return None
