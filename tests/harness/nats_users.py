"""Keys and users for a nats-server of a test's own, made by the code that makes an installation's.

users = NatsUsers(directory)
server = NatsServer(directory, users)
connection = Connection(server.url, "op", inbox_prefix=subjects.OPERATOR_INBOX, credentials=users.operator)
"""

import secrets
import time
from pathlib import Path

from penstock_broker.permissions import Permissions
from penstock_operator.nats import jwt as nats_jwt
from penstock_operator.nats import keys as nats_keys
from penstock_operator.nats.keys import NatsKeys

UID = "00000000-0000-0000-0000-000000000000"


class NatsUsers:
    """Credentials are paths of files in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._has(NatsKeys.new(secrets.token_bytes, int(time.time())))

    def rotate(self, rotation: str) -> None:
        """For a server that is started afterwards; credentials that were written stay as they are."""
        self._has(self.keys.rotated(rotation, secrets.token_bytes))

    def _has(self, keys: NatsKeys) -> None:
        self.keys = keys
        files = keys.files()
        self.config = files[nats_keys.SERVER]
        self.operator = self.write("operator", files[nats_keys.OPERATOR])
        self.gateway = self.write("gateway", files[nats_keys.GATEWAY])

    def worker(self, namespace: str, route: str) -> str:
        return self.write(f"worker-{namespace}-{route}", self.keys.signing_key.of_workers(namespace, route, UID))

    def anybody(self, name: str, permissions: Permissions, *, expires_in_s: int = 0) -> str:
        """A user with permissions that no role has: to observe all subjects, or with a token that expires."""
        key = self.keys.signing_key
        seed = nats_jwt.derived_seed(key.seed, name)
        now = int(time.time())
        token = nats_jwt.user_token(
            key.seed,
            nats_jwt.public_key(seed),
            permissions,
            account=key.account,
            name=name,
            issued_at=now,
            expires_at=now + expires_in_s if expires_in_s else 0,
        )
        return self.write(name, nats_jwt.credentials(token, seed))

    def write(self, name: str, text: str) -> str:
        path = self._directory / f"{name}.creds"
        path.write_text(text)
        return str(path)
