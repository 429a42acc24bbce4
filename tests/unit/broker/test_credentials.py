"""The file with a user's NATS credentials is read, or rejected with a message."""

import base64
import secrets
from pathlib import Path

import nkeys
import pytest

from penstock_broker.credentials import CredentialsUnreadable, NatsCredentials

SEED = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER).decode()
TEXT = (
    "-----BEGIN NATS USER JWT-----\nabc.def.ghi\n------END NATS USER JWT------\n\n"
    "************************* IMPORTANT *************************\n\n"
    f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
)


def written(tmp_path: Path, text: str) -> NatsCredentials:
    path = tmp_path / "user.creds"
    path.write_text(text)
    return NatsCredentials(str(path))


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n")], ids=["LF", "CRLF"])
def test_credentials_give_the_token_and_a_signature_of_the_servers_nonce(tmp_path: Path, text: str) -> None:
    read = written(tmp_path, text)

    assert read.jwt() == b"abc.def.ghi"
    signature = base64.b64decode(read.sign("nonce"))
    assert nkeys.from_seed(bytearray(SEED.encode())).verify(b"nonce", signature)


def test_credentials_read_a_replaced_file_again(tmp_path: Path) -> None:
    read = written(tmp_path, TEXT)
    assert read.jwt() == b"abc.def.ghi"
    written(tmp_path, TEXT.replace("abc", "new"))
    assert read.jwt() == b"new.def.ghi"


@pytest.mark.parametrize("text", ["", "hello", TEXT.partition("\n\n")[0], TEXT.partition("\n\n")[2], TEXT[:50]])
def test_credentials_name_an_invalid_file_without_its_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(CredentialsUnreadable, match=r"user\.creds: not a NATS credentials file") as error:
        written(tmp_path, text).check()
    assert SEED not in str(error.value)


def test_credentials_with_a_damaged_seed_raise_an_error_that_a_connection_survives(tmp_path: Path) -> None:
    damaged = SEED[:10] + ("A" if SEED[10] != "A" else "B") * 20 + SEED[30:40]
    with pytest.raises(CredentialsUnreadable, match="damaged") as error:
        written(tmp_path, TEXT.replace(SEED, damaged)).sign("nonce")
    assert damaged not in str(error.value)


def test_credentials_name_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnreadable, match=r"missing\.creds: No such file"):
        NatsCredentials(str(tmp_path / "missing.creds")).check()
