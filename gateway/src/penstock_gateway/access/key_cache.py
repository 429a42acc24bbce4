"""The keys as this process last heard of them: who a secret belongs to is one dictionary read."""

from penstock_contract.limits.keys import KeyRecord


class KeyRing:
    """Fed by the watch. `loaded` once the store was read: until then nobody can be told from an intruder."""

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
