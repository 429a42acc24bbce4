"""The files of a page: their headers, validators and paths."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock_gateway.http import assets
from penstock_gateway.http.assets import CONTENT_TYPES, Assets, matches

PLAYGROUND = "penstock_gateway.playground"
FOLDER = Path(str(files(PLAYGROUND)))
NAMES = sorted(file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*.*") if file.suffix in CONTENT_TYPES)


@pytest.fixture(scope="module")
def loaded() -> Assets:
    return assets.load(PLAYGROUND, "/playground", index="/")


@pytest.fixture(scope="module")
def client(loaded: Assets) -> TestClient[Litestar]:
    return TestClient(Litestar([loaded.handler()], openapi_config=None))


def test_assets_serve_every_file_of_the_folder_and_no_other(loaded: Assets) -> None:
    expected = {"/" if name == "index.html" else f"/playground/{name}" for name in NAMES}
    assert loaded.paths == expected


@pytest.mark.parametrize("name", NAMES)
def test_assets_have_a_type_and_the_headers_of_a_closed_page(client: TestClient[Litestar], name: str) -> None:
    answer = client.get("/" if name == "index.html" else f"/playground/{name}")

    assert answer.status_code == 200
    assert answer.content == (FOLDER / name).read_bytes()
    kind = CONTENT_TYPES[f".{name.rpartition('.')[2]}"]
    assert answer.headers["content-type"] == (f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_assets_answer_304_to_a_known_validator(client: TestClient[Litestar]) -> None:
    etag = client.get("/").headers["etag"]

    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = client.get("/", headers={"if-none-match": sent})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == etag
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/playground", "/playground/", "/playground/__init__.py", "/playground/../app.py"])
def test_assets_serve_no_other_path(client: TestClient[Litestar], path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/playground/main.js/", "//", "/playground//main.js", "/playground/%6dain.js"])
def test_assets_answer_another_spelling_of_a_path_with_the_file_or_a_404(
    client: TestClient[Litestar], path: str
) -> None:
    assert client.get(f"http://testserver.local{path}").status_code in {200, 404}


def test_assets_differ_in_their_validators(client: TestClient[Litestar], loaded: Assets) -> None:
    etags = [client.get(path).headers["etag"] for path in loaded.paths]
    assert len(set(etags)) == len(etags)
    assert all(re.fullmatch(r'"[0-9a-f]{32}"', etag) for etag in etags)


@pytest.mark.parametrize(("sent", "expected"), [("", False), ('"b"', False), ('"a"', True), ('W/"a" ', True)])
def test_assets_compare_validators_weakly(sent: str, *, expected: bool) -> None:
    assert matches('"a"', sent.split(",")) is expected
