"""An API key: its secret, hash, validity and permissions."""

import hashlib
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock_contract import subjects
from penstock_contract.limits.api_keys import (
    KEY_LENGTH,
    KeyRecord,
    KeySpec,
    KeyView,
    hash_of,
    hint_of,
    id_for,
    is_id,
    new_id,
    new_secret,
)

RECORD = KeyRecord(
    id="key_0123456789abcdef", hash="0" * 64, hint="abcd", spec=KeySpec(name="Ada"), created_at=100, expires_at=200
)


def test_key_secret_has_more_than_256_random_bits_and_one_length() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"sk-penstock-[A-Za-z0-9]{44}", secret) for secret in made)
    assert all(len(secret) == KEY_LENGTH for secret in made)
    assert 62**44 > 2**256


def test_key_hash_is_the_sha256_of_the_whole_key_in_hexadecimal() -> None:
    assert hash_of("sk-penstock-x") == hashlib.sha256(b"sk-penstock-x").hexdigest()


@given(st.text())
def test_key_hash_of_any_text_is_a_valid_store_key(typed: str) -> None:
    try:
        typed.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # No header and no variable can hold it.
    assert re.fullmatch(r"[0-9a-f]{64}", hash_of(typed))


def test_key_hint_is_the_last_four_characters() -> None:
    assert hint_of("sk-penstock-abcdefgh") == "efgh"


def test_key_id_of_a_secret_is_always_the_same() -> None:
    assert is_id(id_for("sk-penstock-x"))
    assert id_for("sk-penstock-x") == id_for("sk-penstock-x") != id_for("sk-penstock-y")


def test_key_id_is_a_valid_subject_token() -> None:
    made = new_id()
    assert is_id(made)
    assert subjects.request("ns", "route", made).endswith(made)


@pytest.mark.parametrize(
    "text", ["", "key_", "key_0123456789abcde", "key_0123456789abcdef\n", "key_0123456789abcde.", "*"]
)
def test_key_id_rejects_an_invalid_text(text: str) -> None:
    assert not is_id(text)


def test_key_is_valid_until_it_expires_or_is_revoked() -> None:
    assert RECORD.valid(199.9)
    assert not RECORD.valid(200)
    assert replace(RECORD, expires_at=None).valid(1e12)
    assert not replace(RECORD, revoked_at=150).valid(150)
    assert [KeyView.of(record, 150).state for record in (RECORD, replace(RECORD, revoked_at=1))] == [
        "active",
        "revoked",
    ]
    assert KeyView.of(RECORD, 201).state == "expired"


def test_key_view_contains_neither_hash_nor_secret() -> None:
    shown = msgspec.json.encode(KeyView.of(RECORD, 150))
    assert b"0" * 64 not in shown
    assert b'"key"' not in shown
    assert b'"key":"sk"' in msgspec.json.encode(KeyView.of(RECORD, 150, secret="sk"))


@pytest.mark.parametrize(
    ("routes", "models", "allowed"),
    [
        ([], [], True),
        (["ns.main"], [], True),
        (["ns.*"], [], True),
        (["*"], ["*"], True),
        (["ns.mai"], [], False),
        (["ns.main2"], [], False),
        (["other.*"], [], False),
        ([], ["gpt"], True),
        ([], ["fast"], True),
        ([], ["gp*"], True),
        ([], ["gp"], False),
        ([], ["GPT"], False),
        (["other.main", "ns.main"], ["nothing", "fast"], True),
        (["ns.main"], ["nothing"], False),
        (["nothing"], ["gpt"], False),
    ],
)
def test_key_permits_its_models(routes: list[str], models: list[str], allowed: bool) -> None:
    record = replace(RECORD, spec=KeySpec(name="x", routes=routes, models=models))
    assert record.may_use("ns.main", ("fast", "gpt")) is allowed


@pytest.mark.parametrize(
    "char",
    [
        *("\u061c", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u206a", "\U000e0041", "\u2060", "\u180e", "\u034f"),
        *("\u115f", "\u3164", "\ufe0f", "\U000e0100", "\u00a0", "\u3000", "\ue000", "\u2800", "\ufff9"),
    ],
)
def test_key_text_with_an_invisible_character_is_rejected(char: str) -> None:
    text = f"a{char}b"
    for field, spec in {
        "name": KeySpec(name=text),
        "models": KeySpec(name="a", models=[text]),
        "routes": KeySpec(name="a", routes=[text]),
        "metadata": KeySpec(name="a", metadata={"team": text}),
    }.items():
        assert spec.invisible_in() == (field, f"U+{ord(char):04X}")
    assert KeySpec(name="a", metadata={text: "b"}).invisible_in() is not None


@pytest.mark.parametrize("name", ["Ada Lovelace", "Zoë", "тест", "キー 1", "عمر", "हिन्दी", "🔑", "e\u0301"])
def test_key_name_may_have_any_visible_character(name: str) -> None:
    assert KeySpec(name=name).invisible_in() is None
