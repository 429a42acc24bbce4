"""The key of a request, from its headers and the key cache."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock_contract.errors import PenstockError
from penstock_contract.limits.api_keys import KeyRecord, KeySpec, hash_of, new_secret
from penstock_gateway.access.authentication import identify, sent_keys
from penstock_gateway.access.key_cache import SENT_BYTES_MAX, SENT_HEADERS_MAX, SENT_MAX, KeyCache

SECRET = new_secret()
RECORD = KeyRecord(
    id="key_0123456789abcdef", hash=hash_of(SECRET), hint="abcd", spec=KeySpec(name="Ada"), created_at=0, expires_at=100
)
NOW = 50.0


def cache(*records: KeyRecord) -> KeyCache:
    made = KeyCache()
    made.replace({record.hash: record for record in records})
    return made


def bearer(secret: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {secret}".encode())]


def refusal(headers: list[tuple[bytes, bytes]], keys: KeyCache, now: float = NOW) -> PenstockError:
    with pytest.raises(PenstockError) as error:
        identify(headers, keys, now)
    return error.value


@pytest.mark.parametrize(
    "headers",
    [bearer(SECRET), [(b"x-api-key", SECRET.encode())], [(b"authorization", f"BEARER   {SECRET}  ".encode())]],
)
def test_authentication_finds_a_key_in_each_header(headers: list[tuple[bytes, bytes]]) -> None:
    assert identify(headers, cache(RECORD), NOW) is RECORD


def test_authentication_accepts_the_same_key_twice() -> None:
    assert identify([*bearer(SECRET), (b"x-api-key", SECRET.encode())], cache(RECORD), NOW) is RECORD


def test_authentication_rejects_two_different_keys() -> None:
    two = [*bearer(SECRET), (b"x-api-key", new_secret().encode())]
    assert "more than one" in refusal(two, cache(RECORD)).detail.message
    assert "more than one" in refusal([*bearer(SECRET), *bearer(new_secret())], cache(RECORD)).detail.message


def test_authentication_names_expiry_and_revocation_to_the_holder_of_the_secret() -> None:
    assert refusal(bearer(SECRET), cache(RECORD), 100).detail.message == "the API key has expired"
    revoked = cache(replace(RECORD, revoked_at=10))
    assert refusal(bearer(SECRET), revoked).detail.message == "the API key was revoked"


def test_authentication_is_unavailable_before_the_keys_are_loaded() -> None:
    assert refusal(bearer(SECRET), KeyCache()).code == "broker_unavailable"
    assert refusal([], KeyCache()).code == "invalid_api_key"


def test_authentication_applies_a_changed_key_immediately() -> None:
    keys = cache(RECORD)
    keys.put(RECORD.hash, replace(RECORD, revoked_at=10))
    assert refusal(bearer(SECRET), keys).code == "invalid_api_key"
    keys.put(RECORD.hash, None)
    assert refusal(bearer(SECRET), keys).detail.message == "the API key is not valid"
    keys.put(RECORD.hash, RECORD)
    assert identify(bearer(SECRET), keys, NOW) is RECORD


def test_authentication_applies_a_changed_key_to_headers_that_it_has_read_before() -> None:
    keys = cache(RECORD)
    assert identify(bearer(SECRET), keys, NOW) is RECORD
    assert refusal(bearer(SECRET), keys, 100).detail.message == "the API key has expired"
    keys.put(RECORD.hash, revoked := replace(RECORD, revoked_at=10))
    assert refusal(bearer(SECRET), keys).detail.message == "the API key was revoked"
    keys.replace({RECORD.hash: revoked})
    assert refusal(bearer(SECRET), keys).detail.message == "the API key was revoked"
    keys.replace({})
    assert refusal(bearer(SECRET), keys).detail.message == "the API key is not valid"


def test_authentication_reads_the_scheme_of_a_key_that_it_has_read_before() -> None:
    keys = cache(RECORD)
    assert identify([(b"x-api-key", SECRET.encode())], keys, NOW) is RECORD
    assert refusal([(b"authorization", SECRET.encode())], keys).code == "invalid_api_key"
    with pytest.raises(PenstockError):
        identify([(b"x-api-key", SECRET.encode())], keys, NOW, frozenset({b"authorization"}))


def test_authentication_keeps_a_bounded_number_of_headers() -> None:
    keys = cache(RECORD)
    sent = [((b"x-api-key", SECRET.encode()), (b"authorization", b"Basic %d" % one)) for one in range(3 * SENT_MAX)]
    for headers in sent:
        assert identify(headers, keys, NOW) is RECORD
        assert keys.find_sent(headers) is RECORD
    assert sum(keys.find_sent(headers) is not None for headers in sent) <= SENT_MAX


def test_authentication_does_not_keep_long_headers() -> None:
    keys = cache(RECORD)
    long = (b"x-api-key", b" " * SENT_BYTES_MAX + SECRET.encode())
    assert identify([long], keys, NOW) is RECORD
    assert keys.find_sent((long,)) is None


def test_authentication_does_not_keep_many_headers() -> None:
    keys = cache(RECORD)
    many = ((b"x-api-key", SECRET.encode()), *[(b"api-key", b"")] * SENT_HEADERS_MAX)
    assert identify(many, keys, NOW) is RECORD
    assert keys.find_sent(many) is None


@given(
    st.lists(
        st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"cookie"]), st.binary(max_size=80)), max_size=4
    )
)
def test_authentication_accepts_only_the_exact_key(headers: list[tuple[bytes, bytes]]) -> None:
    assert refusal(headers, cache(RECORD)).code == "invalid_api_key"


def test_authentication_ignores_other_schemes_and_empty_headers() -> None:
    assert sent_keys([(b"authorization", b"Basic eDp4"), (b"authorization", b"Bearer "), (b"x-api-key", b" ")]) == set()
