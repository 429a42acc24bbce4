"""The keys of an installation's broker, and the files for each component; pure.

    operator seed ── signs ──▶ account (JetStream stores streams under its name: it never changes)
    signing seed  ── signs ──▶ users: gateways, the operator, the workers of each route

The operator seed stays in its Secret, which is mounted nowhere. The operator uses the signing seed to create a user for
each route. Two signing seeds are valid at a time, and the newest signs: a rotation disconnects no user, and a second
rotation invalidates the first seed.
"""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from penstock_broker import permissions
from penstock_broker.permissions import Permissions
from penstock_operator.nats import jwt as nats_jwt

ROOT: Final = "root.json"
SIGNING: Final = "signing.json"
SERVER: Final = "auth.conf"
OPERATOR: Final = "operator.creds"
GATEWAY: Final = "gateway.creds"
WORKER: Final = "worker.creds"
ADMIN: Final = "admin.creds"
SIGNING_SEEDS: Final = 2
EARLIER_MAX: Final = 64
"""Names of rotations that are kept."""

Kept = TypeVar("Kept", bound=Struct)
Draw = Callable[[int], bytes]
"""Returns the given number of random bytes."""


class KeysUnreadable(Exception):  # noqa: N818
    """The message describes the problem and quotes no key."""


class SigningKey(Struct, frozen=True, kw_only=True):
    """Creates users of an account. The same name and permissions are the same credentials, byte by byte.

    They do not expire: requests do not depend on the operator, and a day without it must not stop the workers.
    """

    account: str
    seed: str
    created_at: int

    def credentials(self, name: str, allowed: Permissions) -> str:
        seed = nats_jwt.derived_seed(self.seed, name)
        user = nats_jwt.public_key(seed)
        token = nats_jwt.user_token(
            self.seed, user, allowed, account=self.account, name=name, issued_at=self.created_at
        )
        return nats_jwt.credentials(token, seed)

    def of_workers(self, namespace: str, route: str, uid: str) -> str:
        """Credentials of a route's workers; `uid` is the ModelRoute's: a recreated route has other credentials."""
        return self.credentials(f"worker.{namespace}.{route}.{uid}", permissions.worker(namespace, route))


class NatsKeys(Struct, frozen=True, kw_only=True):
    """`signing_seeds`: the newest first. `rotation` is the installer's name of the last rotation.

    `earlier` are the names before it: `helm rollback` over a rotation names one of them, and must not rotate again.
    """

    created_at: int
    operator_seed: str
    account: str
    system_account: str
    signing_seeds: Annotated[tuple[str, ...], Meta(min_length=1, max_length=SIGNING_SEEDS)]
    rotation: str = ""
    earlier: Annotated[tuple[str, ...], Meta(max_length=EARLIER_MAX)] = ()

    @classmethod
    def new(cls, draw: Draw, now: int, rotation: str = "") -> "NatsKeys":
        """The accounts' own seeds are not stored: they are not needed again."""

        def seed(kind: nats_jwt.Kind) -> str:
            return nats_jwt.seed_of(kind, draw(nats_jwt.RAW_SEED_BYTES))

        return cls(
            created_at=now,
            operator_seed=seed("operator"),
            account=nats_jwt.public_key(seed("account")),
            system_account=nats_jwt.public_key(seed("account")),
            signing_seeds=(seed("account"),),
            rotation=rotation,
        )

    def rotated(self, rotation: str, draw: Draw) -> "NatsKeys":
        """The keys with a new signing seed, unless this rotation is already done."""
        if rotation in {self.rotation, *self.earlier}:
            return self
        newest = nats_jwt.seed_of("account", draw(nats_jwt.RAW_SEED_BYTES))
        return replace(
            self,
            signing_seeds=(newest, *self.signing_seeds)[:SIGNING_SEEDS],
            rotation=rotation,
            earlier=(self.rotation, *self.earlier)[:EARLIER_MAX],
        )

    @property
    def signing_key(self) -> SigningKey:
        return SigningKey(account=self.account, seed=self.signing_seeds[0], created_at=self.created_at)

    def server_config(self) -> str:
        """The nats-server configuration with the trusted keys; contains no secret."""
        seed, at = self.operator_seed, self.created_at
        signing_keys = tuple(nats_jwt.public_key(one) for one in self.signing_seeds)
        account = nats_jwt.account_token(seed, self.account, name="penstock", signing_keys=signing_keys, issued_at=at)
        system = nats_jwt.account_token(seed, self.system_account, name="system", signing_keys=(), issued_at=at)
        trusted = nats_jwt.operator_token(seed, system_account=self.system_account, issued_at=at)
        return (
            f"operator: {trusted}\n"
            f"system_account: {self.system_account}\n"
            "resolver: MEMORY\n"
            "resolver_preload {\n"
            f"  {self.account}: {account}\n"
            f"  {self.system_account}: {system}\n"
            "}\n"
        )

    def files(self) -> dict[str, str]:
        """Text by file name; each component mounts only its own file."""
        signing = self.signing_key
        return {
            ROOT: msgspec.json.encode(self).decode(),
            SIGNING: msgspec.json.encode(signing).decode(),
            SERVER: self.server_config(),
            OPERATOR: signing.credentials("operator", permissions.operator()),
            GATEWAY: signing.credentials("gateway", permissions.gateway()),
        }

    def admin_files(self) -> dict[str, str]:
        """Of a Secret of its own: it can read and delete every stream."""
        return {ADMIN: self.signing_key.credentials("admin", permissions.admin())}


def read_root(text: bytes) -> NatsKeys:
    """Raises `KeysUnreadable`."""
    keys = _read(text, NatsKeys, ROOT)
    _check(ROOT, keys.operator_seed, *keys.signing_seeds)
    return keys


def read_signing_key(text: bytes) -> SigningKey:
    """Raises `KeysUnreadable`."""
    key = _read(text, SigningKey, SIGNING)
    _check(SIGNING, key.seed)
    return key


def _read(text: bytes, kind: type[Kept], name: str) -> Kept:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise KeysUnreadable(f"{name} is not a file of `penstock nats-keys`") from None


def _check(name: str, *seeds: str) -> None:
    try:
        for seed in seeds:
            nats_jwt.public_key(seed)
    except nats_jwt.SeedDamaged:
        raise KeysUnreadable(f"a seed in {name} is damaged") from None
