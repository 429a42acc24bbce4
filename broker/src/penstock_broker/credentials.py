"""A user's credentials for NATS, in the file format of its own tools: a token that says who may do what, and a seed.

Read again at every connect, so that a file that is replaced is taken up. nats-py's own reader is not used: it looks
for ever in a file that has no token.
"""

import base64
import re
from pathlib import Path
from typing import Final

from nats.errors import Error

_JWT: Final = re.compile(rb"-BEGIN NATS USER JWT-+\s+([A-Za-z0-9_.-]+)\s")
_SEED: Final = re.compile(rb"-BEGIN USER NKEY SEED-+\s+(SU[A-Z2-7]+)\s")


class CredentialsUnreadable(Error):  # noqa: N818
    """The message names the file, and quotes nothing of it."""


class NatsCredentials:
    def __init__(self, path: str) -> None:
        self.path = path

    def check(self) -> None:
        """Raises `CredentialsUnreadable`."""
        self._read()

    def jwt(self) -> bytes:
        """Who we are, as nats-py asks for it."""
        return self._read()[0]

    def sign(self, nonce: str) -> bytes:
        """The proof, as nats-py asks for it: base64 of the signature."""
        import nkeys  # noqa: PLC0415 - libsodium; only who has credentials pays for it

        try:
            pair = nkeys.from_seed(bytearray(self._read()[1]))
        except (nkeys.NkeysError, ValueError) as error:
            # As one of nats-py's errors: any other would end its reconnecting for good.
            raise CredentialsUnreadable(f"{self.path}: the seed is damaged") from error
        return base64.b64encode(pair.sign(nonce.encode()))

    def _read(self) -> tuple[bytes, bytes]:
        try:
            text = Path(self.path).read_bytes()
        except OSError as error:
            raise CredentialsUnreadable(f"{self.path}: {error.strerror}") from error
        jwt, seed = _JWT.search(text), _SEED.search(text)
        if jwt is None or seed is None:
            raise CredentialsUnreadable(f"{self.path}: not a NATS credentials file, with a user's JWT and its seed")
        return jwt[1], seed[1]
