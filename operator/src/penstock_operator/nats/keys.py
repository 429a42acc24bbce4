"""The keys that say who may use an installation's broker, and what each part gets of them; pure.

    operator seed ── signs ──▶ account (its name is where JetStream keeps the streams: it never changes)
    signing seed  ── signs ──▶ users: gateways, the operator, the workers of each route

The first stays in its Secret, which is mounted nowhere. The second is the operator's, who makes a user per route with
it. Two signing seeds count at a time, the newest signs: a rotation cuts nobody off, and a second one ends the first.
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
SIGNING_SEEDS: Final = 2

Kept = TypeVar("Kept", bound=Struct)
Draw = Callable[[int], bytes]
"""So many random bytes."""


class KeysUnreadable(Exception):  # noqa: N818
    """The message names what is wrong and quotes nothing of it."""


class SigningKey(Struct, frozen=True, kw_only=True):
    """Makes users of an account. The same name and permissions are the same credentials, byte by byte.

    They do not expire: the operator is not on the way of a request, and a day without it must not stop the workers.
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
        """A route that is made anew has other workers: `uid` is a ModelRoute's."""
        return self.credentials(f"worker.{namespace}.{route}.{uid}", permissions.worker(namespace, route))


class NatsKeys(Struct, frozen=True, kw_only=True):
    """`signing_seeds`: the newest first. `rotation` is the last one's name, as the installer gave it."""

    created_at: int
    operator_seed: str
    account: str
    system_account: str
    signing_seeds: Annotated[tuple[str, ...], Meta(min_length=1, max_length=SIGNING_SEEDS)]
    rotation: str = ""

    @classmethod
    def new(cls, draw: Draw, now: int, rotation: str = "") -> "NatsKeys":
        """Nobody ever needs the accounts' own seeds again: they are not kept."""

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
        """With a new signing key, unless this rotation has been done."""
        if rotation == self.rotation:
            return self
        newest = nats_jwt.seed_of("account", draw(nats_jwt.RAW_SEED_BYTES))
        return replace(self, signing_seeds=(newest, *self.signing_seeds)[:SIGNING_SEEDS], rotation=rotation)

    @property
    def signing_key(self) -> SigningKey:
        return SigningKey(account=self.account, seed=self.signing_seeds[0], created_at=self.created_at)

    def server_config(self) -> str:
        """What a nats-server needs to know: whom to trust. No secret is in it."""
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
        """Name → text; whoever mounts them mounts only its own."""
        signing = self.signing_key
        return {
            ROOT: msgspec.json.encode(self).decode(),
            SIGNING: msgspec.json.encode(signing).decode(),
            SERVER: self.server_config(),
            OPERATOR: signing.credentials("operator", permissions.operator()),
            GATEWAY: signing.credentials("gateway", permissions.gateway()),
        }


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
        raise KeysUnreadable(f"{name} is not what `penstock nats-keys` makes") from None


def _check(name: str, *seeds: str) -> None:
    try:
        for seed in seeds:
            nats_jwt.public_key(seed)
    except nats_jwt.SeedDamaged:
        raise KeysUnreadable(f"a seed in {name} is damaged") from None
