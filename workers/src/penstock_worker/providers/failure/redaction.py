"""Removes credentials, hosts, addresses and paths from a provider's message. Pure.

A message may quote the key whole, in part (`sk-…abcd`), encoded in a URL or broken by invisible characters. The
removal prefers false positives: a removed word makes a sentence worse, a missed key is a leak.
"""

import ipaddress
import json
import re
import unicodedata
from collections.abc import Mapping

from msgspec import Struct

MESSAGE_MAX = 1000
"""Longest message for a client, in characters."""
FIELDS_MAX = 2000
"""Most characters of an error object's further fields, as JSON."""
ITEMS_MAX = 32
INTEGER_MAX = 2**63
"""The codec of the frames has no larger integers."""
DEPTH_MAX = 5
INPUT_MAX = 8192
PIECE = 8
"""A part of a secret of this length is treated as the secret."""
PIECE_AT_END = 4
"""Providers show the first or last characters of a key, from this length on."""
KEY, ADDRESS, PATH = "[key]", "[address]", "[path]"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,20}:)?//[^\s\"'<>`]+|\bwww\.[^\s\"'<>`]+|\bdata:[^\s\"'<>`]{16,}")
_PATH = re.compile(r"(?<![\w.])/(?:srv|usr|home|opt|var|root|app|etc|tmp|workspace|mnt|data|proc|Users)/[^\s\"'<>`]+")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_BEARER = re.compile(
    r"\b(?:bearer\s+[A-Za-z0-9._~+/=*…-]{6,}|basic\s+(?=\S*[0-9*…=])[A-Za-z0-9._~+/=*…-]{6,}"
    r"|(?:x-api-key|api[-_ ]?key|authorization|(?:access|auth|api)[-_ ]token|password|secret)[\"']?\s*[:=]\s*[\"']?"
    r"[^\s\"',}]{4,})",
    re.IGNORECASE,
)
_MASK = r"(?:\*{2,}|•{2,}|…|\.{3})"
_PREFIXED = re.compile(
    # Providers' keys by their beginnings, whole or masked; then account numbers; then tokens without a separator.
    r"(?<![A-Za-z0-9])(?:(?:sk|gsk|pk|rk|xai|hf|nvapi|pplx|csk|ghp|gho|glpat|github_pat|tgp)[-_][A-Za-z0-9*•…._-]{3,}"
    r"|(?:fw|r8|key|org|proj|user|acct)[-_](?=[A-Za-z_-]*[0-9*•…])[A-Za-z0-9*•…._-]{8,})",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"(?<![A-Za-z0-9])(?:AIza|AKIA|ASIA|ya29\.|ABSK|eyJ)[A-Za-z0-9._+/=-]{8,}")
_MASKED = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]{{0,96}}(?:\*{{3,}}|•{{2,}})[A-Za-z0-9_*•-]*"
    rf"|[A-Za-z0-9]{{1,32}}[-_][A-Za-z0-9_-]{{0,96}}{_MASK}[A-Za-z0-9]+)"
)
_RANDOM = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{24,}={0,2}")
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?(?![\w.]*[A-Za-z])")
_IPV6 = re.compile(r"\[?(?<![\w:])[0-9A-Fa-f:.%]{2,64}(?![\w:])\]?(?::[0-9]{1,5})?")
_HOST = re.compile(
    r"(?<![\w.-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+"
    r"(?:com|net|org|io|ai|dev|cloud|app|co|us|eu|de|fr|uk|cn|jp|ch|local|internal|lan|intranet|svc|invalid|test|example|home|corp)"
    r"\b(?:\.[A-Za-z]{2,16})*\.?(?::[0-9]{1,5})?(?:/[^\s\"'<>`]*)?",
    re.IGNORECASE,
)
_LOCALHOST = re.compile(r"\blocalhost(?::[0-9]{1,5})?\b", re.IGNORECASE)
_KEYS = re.compile(rf"(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{{0,32}}{_MASK})?\[key\](?:[-.…_*]*\[key\])*")
_WORD = re.compile(r"[A-Za-z0-9_\-+/=.~]+")
_PART = re.compile(r"[A-Za-z0-9]+")


class Redaction(Struct, frozen=True):
    """Values that one provider's messages must not show: `secrets` are its credentials, `hosts` its addresses."""

    secrets: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def clean(self, text: str) -> str:
        """One line of at most `MESSAGE_MAX` characters; empty when nothing is left."""
        text = _one_line(text[:INPUT_MAX])
        text = _URL.sub(ADDRESS, text)
        for secret in self.secrets:
            text = _without(secret, text)
        text = _PATH.sub(PATH, _EMAIL.sub(ADDRESS, text))
        for pattern in (_BEARER, _PREFIXED, _TOKEN, _MASKED, _RANDOM):
            text = pattern.sub(KEY, text)
        text = _KEYS.sub(KEY, text)
        for host in self.hosts:
            text = re.sub(
                rf"(?<![\w-]){re.escape(host)}(?::[0-9]{{1,5}})?(?![\w-])", ADDRESS, text, flags=re.IGNORECASE
            )
        text = _HOST.sub(ADDRESS, text)
        text = _LOCALHOST.sub(ADDRESS, text)
        text = _IPV4.sub(ADDRESS, text)
        text = _IPV6.sub(lambda found: ADDRESS if _is_address(found[0]) else found[0], text)
        return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 1] + "…"

    def clean_fields(self, fields: Mapping[str, object]) -> dict[str, object] | None:
        """Fields of an error object, each text cleaned; a field that is too large or has an odd name is left out."""
        kept: dict[str, object] = {}
        left = FIELDS_MAX
        for name, value in list(fields.items())[:ITEMS_MAX]:
            cleaned = self._value(value, 1) if self._is_name(name) else None
            size = len(json.dumps(cleaned)) + len(name)
            if cleaned is not None and size <= left:
                kept[name] = cleaned
                left -= size
        return kept or None

    def _value(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < INTEGER_MAX):
            return value
        if depth < DEPTH_MAX and isinstance(value, list):
            return [self._value(each, depth + 1) for each in value[:ITEMS_MAX]]
        if depth < DEPTH_MAX and isinstance(value, dict):
            items = list(value.items())[:ITEMS_MAX]
            return {name: self._value(each, depth + 1) for name, each in items if self._is_name(name)}
        return None

    def _is_name(self, name: str) -> bool:
        return _NAME.fullmatch(name) is not None and self.allows(name)

    def allows(self, word: str) -> bool:
        """True if nothing in `word` has to be removed."""
        return self.clean(word) == word


def _one_line(text: str) -> str:
    """White space as single blanks; control, invisible and unassigned characters and surrogates removed."""
    kept = "".join(
        " " if one.isspace() else one for one in text if one.isspace() or unicodedata.category(one)[0] != "C"
    )
    return " ".join(kept.split())


def _without(secret: str, text: str) -> str:
    """`text` without `secret`, its pieces, and the ends of it that a masked form shows."""
    secret = secret.strip()
    if len(secret) < PIECE_AT_END:
        return text
    text = re.sub(re.escape(secret), KEY, text, flags=re.IGNORECASE)
    lower = secret.lower()
    pieces = {lower[at : at + PIECE] for at in range(len(lower) - PIECE + 1)}

    def word(found: re.Match[str]) -> str:
        part = found[0].lower()
        if any(part[at : at + PIECE] in pieces for at in range(len(part) - PIECE + 1)):
            return KEY
        return found[0]

    def end(found: re.Match[str]) -> str:
        part = found[0].lower()
        is_end = len(part) >= PIECE_AT_END and lower.endswith(part)
        return KEY if is_end or (len(part) > PIECE_AT_END and lower.startswith(part)) else found[0]

    return _PART.sub(end, _WORD.sub(word, text))


def _is_address(text: str) -> bool:
    bare = text.removeprefix("[").split("]")[0].rstrip(".")
    if bare.count(":") < 2:
        return False
    try:
        ipaddress.IPv6Address(bare)
    except ValueError:
        return False
    return True
