"""NATS JWTs: JSON claims, signed by an Ed25519 key whose text contains its kind; pure.

Not a library: the only one on PyPI is untested by its own description, and the claims that a server checks fit on this
page. The result depends on the arguments alone: the same key and claims are always the same token, so that a stored
token need not be read.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
import nkeys

from penstock_broker.permissions import Permissions

Kind = Literal["operator", "account", "user"]

RAW_SEED_BYTES: Final = 32
_PREFIXES: Final[Mapping[Kind, int]] = {
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "user": nkeys.PREFIX_BYTE_USER,
}
_HEADER: Final = b'{"typ":"JWT","alg":"ed25519-nkey"}'
_UNLIMITED: Final = -1
_ACCOUNT_LIMITS: Final = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), _UNLIMITED),
    "wildcards": True,
}
_JETSTREAM_LIMITS: Final = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _UNLIMITED)


class SeedDamaged(Exception):  # noqa: N818
    """The text is not a NATS private key."""


def seed_of(kind: Kind, raw: bytes) -> str:
    """The text of a private key from `RAW_SEED_BYTES` random bytes."""
    return str(nkeys.encode_seed(raw, _PREFIXES[kind]).decode())


def public_key(seed: str) -> str:
    """Raises `SeedDamaged`."""
    return str(_pair(seed).public_key.decode())


def derived_seed(seed: str, name: str) -> str:
    """A user's own key, derived from `seed`: the same name is always the same key."""
    return seed_of("user", hmac.digest(seed.encode(), f"penstock.user.{name}".encode(), hashlib.sha256))


def operator_token(seed: str, *, system_account: str, issued_at: int) -> str:
    nats = {"system_account": system_account, "type": "operator", "version": 2}
    return _signed({"sub": public_key(seed), "name": "penstock", "nats": nats}, seed, issued_at)


def account_token(seed: str, account: str, *, name: str, signing_keys: tuple[str, ...], issued_at: int) -> str:
    """`seed` is the operator's; users of the account are those signed by one of `signing_keys`.

    Without signing keys it has no JetStream: this is the servers' system account, which has no users.
    """
    nats = {
        "limits": _ACCOUNT_LIMITS | (_JETSTREAM_LIMITS if signing_keys else {}),
        "signing_keys": list(signing_keys),
        "default_permissions": {},
        "type": "account",
        "version": 2,
    }
    return _signed({"sub": account, "name": name, "nats": nats}, seed, issued_at)


def user_token(
    seed: str, user: str, permissions: Permissions, *, account: str, name: str, issued_at: int, expires_at: int = 0
) -> str:
    """`seed` is one of the account's signing keys. `expires_at` is in Unix seconds, 0 for never."""
    nats = {
        "pub": {"allow": permissions.publish, "deny": permissions.never_publish},
        "sub": {"allow": permissions.subscribe},
        **dict.fromkeys(("subs", "data", "payload"), _UNLIMITED),
        "allowed_connection_types": ["STANDARD"],
        "issuer_account": account,
        "type": "user",
        "version": 2,
    }
    expiry = {"exp": expires_at} if expires_at else {}
    return _signed({"sub": user, "name": name, **expiry, "nats": nats}, seed, issued_at)


def credentials(token: str, seed: str) -> str:
    """A user's credentials, in the file format that every NATS client reads."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _signed(claims: Mapping[str, Any], seed: str, issued_at: int) -> str:
    pair = _pair(seed)
    claims = {**claims, "iss": pair.public_key.decode(), "iat": issued_at}
    claims["jti"] = base64.b32encode(hashlib.sha256(_json(claims)).digest()).decode().rstrip("=")
    text = f"{_base64(_HEADER)}.{_base64(_json(claims))}"
    return f"{text}.{_base64(pair.sign(text.encode()))}"


def _pair(seed: str) -> nkeys.KeyPair:
    try:
        return nkeys.from_seed(bytearray(seed.encode()))
    except (nkeys.NkeysError, ValueError, TypeError):
        # Not chained: its message may contain the seed.
        raise SeedDamaged from None


def _json(claims: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(claims, order="deterministic")


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
