"""The API keys in memory, as the watch last received them: a look-up is one dictionary read."""

from typing import Final

from penstock_contract.limits.api_keys import KeyRecord

SentKey = tuple[tuple[bytes, bytes], ...]
"""The headers of a request in which a key may be sent: names and values."""
SENT_MAX: Final = 1024
SENT_HEADERS_MAX: Final = 4
SENT_BYTES_MAX: Final = 512


class KeyCache:
    """Filled by the watch. `loaded` once the store was read: before that, a valid key cannot be recognised.

    To read a key from its headers and hash it takes 40 µs when other code has run since the last request. So the
    headers that had a key are kept, until any key changes.
    """

    def __init__(self) -> None:
        self._records: dict[str, KeyRecord] = {}
        self._sent: dict[SentKey, KeyRecord] = {}
        self.loaded = False

    def replace(self, records: dict[str, KeyRecord]) -> None:
        self._records = dict(records)
        self._sent.clear()
        self.loaded = True

    def put(self, hash_: str, record: KeyRecord | None) -> None:
        self._sent.clear()
        if record is None:
            self._records.pop(hash_, None)
        else:
            self._records[hash_] = record

    def find(self, hash_: str) -> KeyRecord | None:
        return self._records.get(hash_)

    def find_sent(self, sent: SentKey) -> KeyRecord | None:
        """The key that an earlier request sent in the same headers; None if they are new."""
        return self._sent.get(sent)

    def keep_sent(self, sent: SentKey, record: KeyRecord) -> None:
        """Keep them, unless they are more or much longer than those of a client."""
        if len(sent) > SENT_HEADERS_MAX or sum(len(value) for _, value in sent) > SENT_BYTES_MAX:
            return
        if len(self._sent) >= SENT_MAX:
            self._sent.clear()
        self._sent[sent] = record
