"""Random hexadecimal digits for ids, read from the operating system for many ids at once.

For each id a system call and a conversion would cost 20 µs where their code is in no processor cache: before the first
token of a request.
"""

import os
from typing import Final

READ: Final = 2048
"""The digits read at once."""


class RandomHex:
    """Call it in one thread only: two could get the same digits."""

    def __init__(self) -> None:
        self._digits = ""
        self._next = 0
        os.register_at_fork(after_in_child=self._discard)

    def __call__(self, length: int) -> str:
        """Digits that no other call gets. All of them are 0 in one of 16 ** `length` cases."""
        start = self._next
        self._next = end = start + length
        if end <= len(self._digits):
            return self._digits[start:end]
        self._digits, self._next = os.urandom(max(READ, length) // 2 + 1).hex(), length
        return self._digits[:length]

    def _discard(self) -> None:
        self._digits = ""


random_hex: Final = RandomHex()
