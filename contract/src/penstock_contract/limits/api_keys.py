"""API keys: the stored record, its permissions, and the bodies of the admin API.

The secret has more than 256 random bits, so a plain SHA-256 is the right hash: there is nothing to guess that a slow
one would protect, and every request pays for it. A stolen store contains hashes, which authenticate no request.
Looking the hash up in a dictionary leaks no time that helps: what an attacker varies is the hash's input.
"""

import hashlib
import re
import secrets
import string
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

PREFIX: Final = "sk-penstock-"
_ALPHABET: Final = string.ascii_letters + string.digits
_SECRET_LENGTH: Final = 44
"""62^44 > 2^261."""
_ID_LENGTH: Final = 16
_ID: Final = re.compile(r"key_[A-Za-z0-9]{16}")
KEY_LENGTH: Final = len(PREFIX) + _SECRET_LENGTH
HINT_LENGTH: Final = 4

# \Z and not $, which lets a line end pass. Control characters, also of C1 and of bidirectional text, would forge what a
# terminal shows.
_UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
KeyId = Annotated[str, Meta(pattern=r"^key_[A-Za-z0-9]{16}\Z", description="Public name of the key: a subject token.")]
KeyName = Annotated[str, Meta(pattern=rf"^[^{_UNPRINTABLE}]{{1,100}}\Z", description="What a person calls the key.")]
Glob = Annotated[
    str,
    Meta(
        pattern=rf"^([^*{_UNPRINTABLE}]{{1,256}}|[^*{_UNPRINTABLE}]{{0,255}}\*)\Z",
        description="A name, or how it starts and `*`.",
    ),
]
Globs = Annotated[list[Glob], Meta(max_length=64)]
PerMinute = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Money = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,9})?\Z", description="A decimal number as text.")]
UnixSeconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(pattern=rf"^[^{_UNPRINTABLE}]{{1,64}}\Z")],
        Annotated[str, Meta(pattern=rf"^[^{_UNPRINTABLE}]{{0,512}}\Z")],
    ],
    Meta(max_length=16),
]


_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Shown as nothing, or as a space, though they are letters or marks by their category."""
_VARIATIONS: Final = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))


def invisible(text: str) -> str | None:
    """The first character of `text` that is not seen, as `U+200B`: with it two names can look the same.

    Format characters (zero width, bidirectional, soft hyphen, tags), unassigned and private ones, surrogates,
    separators of lines, spaces other than the plain one, variation selectors and fillers. Checked when a key is made,
    not when it is read: a stored key stays valid.
    """
    for char in text:
        category = unicodedata.category(char)
        hidden = category[0] == "C" or (category[0] == "Z" and char != " ")
        if hidden or char in _BLANK or any(ord(char) in range_ for range_ in _VARIATIONS):
            return f"U+{ord(char):04X}"
    return None


class KeyLimits(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Over all replicas; None is no limit of the key's own."""

    requests_per_minute: Annotated[PerMinute | None, Meta(description="Requests accepted in a minute.")] = None
    tokens_per_minute: Annotated[PerMinute | None, Meta(description="Tokens in a minute, input and output.")] = None
    concurrent_streams: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None, Meta(description="Requests open at the same time.")
    ] = None
    queue_share_percent: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None, Meta(description="Part of a route's queue that may be this key's.")
    ] = None


class Budget(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Money for a period of the calendar in UTC; `Total` is for the key's whole life."""

    amount: Money
    period: Literal["Day", "Week", "Month", "Total"]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="A label: nothing is converted.")] = "USD"


class KeySpec(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The specification of a key: the body of `POST /admin/keys`. Empty `routes` or `models` are all of them."""

    name: KeyName
    expires_at: Annotated[UnixSeconds | None, Meta(description="Unix seconds; None never expires.")] = None
    routes: Annotated[Globs, Meta(description="Routes as `namespace.name`; empty is all.")] = []
    models: Annotated[Globs, Meta(description="Names of models or aliases; empty is all.")] = []
    limits: KeyLimits = KeyLimits()
    budget: Budget | None = None
    metadata: Annotated[Metadata, Meta(description="Yours: shown, never read.")] = {}

    def invisible_in(self) -> tuple[str, str] | None:
        """The field with a character that is not seen, and that character."""
        texts = {
            "name": [self.name],
            "routes": self.routes,
            "models": self.models,
            "metadata": [*self.metadata, *self.metadata.values()],
        }
        for field, values in texts.items():
            for value in values:
                if char := invisible(value):
                    return field, char
        return None


class KeyRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One secret of a key, as stored.

    `id` is public: tenant, logs and usage carry it. A rotated key is two records of one id for a while, and
    the newer has the higher `generation`. Times are Unix seconds.
    """

    id: KeyId
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    hint: str
    spec: KeySpec
    created_at: UnixSeconds
    generation: int = 1
    expires_at: UnixSeconds | None = None
    revoked_at: UnixSeconds | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def limits(self) -> KeyLimits:
        return self.spec.limits

    @property
    def budget(self) -> Budget | None:
        return self.spec.budget

    def valid(self, now: float) -> bool:
        """Return whether the secret is accepted at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def may_use(self, route: str, models: Iterable[str]) -> bool:
        """Return whether it may use `route` (`namespace.name`) for a model; any of its names will do."""
        return _covers(self.spec.routes, [route]) and _covers(self.spec.models, models)


class KeyView(Struct, frozen=True, kw_only=True):
    """A key as the admin API shows it; `key` only in the answer that made it, and never again."""

    id: str
    name: str
    hint: str
    state: Literal["active", "expired", "revoked"]
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    routes: list[str]
    models: list[str]
    limits: KeyLimits
    budget: Budget | None
    metadata: dict[str, str]
    key: str | UnsetType = UNSET

    @classmethod
    def of(cls, record: KeyRecord, now: float, *, secret: str | UnsetType = UNSET) -> "KeyView":
        revoked = record.revoked_at is not None
        return cls(
            id=record.id,
            name=record.name,
            hint=record.hint,
            state="revoked" if revoked else "active" if record.valid(now) else "expired",
            created_at=record.created_at,
            expires_at=record.expires_at,
            revoked_at=record.revoked_at,
            routes=record.spec.routes,
            models=record.spec.models,
            limits=record.limits,
            budget=record.budget,
            metadata=record.spec.metadata,
            key=secret,
        )


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /admin/keys/{id}/rotate`; `{}` is an hour, which a deployment needs to get the new secret."""

    grace_seconds: Annotated[int, Meta(ge=0, le=30 * 86_400, description="For so long the old secret still works.")] = (
        3600
    )


class KeyList(Struct, frozen=True):
    keys: list[KeyView]


class Draw(Protocol):
    """`secrets.choice`, or a test's own."""

    def __call__(self, among: str, /) -> str: ...


def new_secret(draw: Draw = secrets.choice) -> str:
    """The key as its owner gets to see it, once."""
    return PREFIX + _random(_SECRET_LENGTH, draw)


def new_id(draw: Draw = secrets.choice) -> str:
    return "key_" + _random(_ID_LENGTH, draw)


def id_for(secret: str) -> str:
    """The same id for the same secret in every process; it reveals nothing of the secret."""
    return "key_" + hashlib.sha256(f"id of {hash_of(secret)}".encode()).hexdigest()[:_ID_LENGTH]


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def hash_of(secret: str) -> str:
    """The name of a secret in the store: hexadecimal, whatever was typed, so it cannot become anything else there."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def hint_of(secret: str) -> str:
    """Enough for an owner to recognise the key, too little for an attacker."""
    return secret[-HINT_LENGTH:]


def _covers(globs: Sequence[str], names: Iterable[str]) -> bool:
    if not globs:
        return True
    return any(_matches(glob, name) for name in names for glob in globs)


def _matches(glob: str, name: str) -> bool:
    return name.startswith(glob[:-1]) if glob.endswith("*") else name == glob


def _random(length: int, draw: Draw) -> str:
    return "".join(draw(_ALPHABET) for _ in range(length))
