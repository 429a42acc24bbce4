"""The API keys in memory, as the watch last received them: a look-up is one dictionary read."""

from penstock_contract.limits.api_keys import KeyRecord


class KeyCache:
    """Filled by the watch. `loaded` once the store was read: before that, a valid key cannot be recognised."""

    def __init__(self) -> None:
        self._records: dict[str, KeyRecord] = {}
        self.loaded = False

    def replace(self, records: dict[str, KeyRecord]) -> None:
        self._records = dict(records)
        self.loaded = True

    def put(self, hash_: str, record: KeyRecord | None) -> None:
        if record is None:
            self._records.pop(hash_, None)
        else:
            self._records[hash_] = record

    def find(self, hash_: str) -> KeyRecord | None:
        return self._records.get(hash_)
