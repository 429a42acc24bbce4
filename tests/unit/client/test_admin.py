"""The admin API of a command is the configured one, else that of this user's `penstock dev`."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock_client.admin.client import NoAdmin, address
from penstock_client.cli.keys import duration, parser
from penstock_contract.dev_run_file import LOCK_FILE, RUN_PREFIX, AdminAddress, write


@contextlib.contextmanager
def run(parent: Path, name: str) -> Iterator[AdminAddress]:
    """A running `penstock dev`."""
    directory = parent / f"{RUN_PREFIX}{name}"
    directory.mkdir()
    made = AdminAddress(f"http://127.0.0.1:{name}", f"token-{name}")
    write(directory, made)
    with (directory / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield made


def test_admin_prefers_a_configured_token_to_the_local_run(tmp_path: Path) -> None:
    with run(tmp_path, "1"):
        environment = {"PENSTOCK_ADMIN_TOKEN": "t", "PENSTOCK_ADMIN_URL": "http://gateway:8081/"}
        assert address(environment, parent=tmp_path) == AdminAddress("http://gateway:8081", "t")
        assert address(environment, "http://other", tmp_path) == AdminAddress("http://other", "t")
        assert address({"PENSTOCK_ADMIN_TOKEN": "t"}, parent=tmp_path).url == "http://127.0.0.1:8081"


def test_admin_uses_the_only_local_run_without_an_option(tmp_path: Path) -> None:
    with run(tmp_path, "1") as made:
        assert address({}, parent=tmp_path) == made


def test_admin_requires_the_name_of_one_of_several_runs(tmp_path: Path) -> None:
    with run(tmp_path, "1"), run(tmp_path, "2") as second:
        with pytest.raises(NoAdmin, match="--url"):
            address({}, parent=tmp_path)
        assert address({}, second.url, tmp_path) == second


def test_admin_sends_a_local_runs_token_to_no_other_address(tmp_path: Path) -> None:
    with run(tmp_path, "1"), pytest.raises(NoAdmin):
        address({}, "http://elsewhere:8081", tmp_path)


def test_admin_reports_a_missing_admin_api(tmp_path: Path) -> None:
    with pytest.raises(NoAdmin, match="PENSTOCK_ADMIN_TOKEN"):
        address({}, parent=tmp_path)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("12h", 43_200), ("30d", 2_592_000), ("1w", 604_800)]
)
def test_admin_writes_short_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds


def test_admin_has_every_command() -> None:
    for arguments in (
        ["create", "x"],
        ["list"],
        *([name, "key_0123456789abcdef"] for name in ("show", "revoke", "rotate")),
    ):
        assert callable(parser().parse_args(arguments).run)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "http://a", "create", "x"],
        ["create", "x", "--url", "http://a"],
        ["create", "--url", "http://a", "x"],
        ["list", "--url", "http://a"],
        ["--url", "http://b", "list", "--url", "http://a"],
        ["revoke", "key_0123456789abcdef", "--url", "http://a"],
    ],
)
def test_admin_reads_the_url_before_and_after_a_command(arguments: list[str]) -> None:
    assert parser().parse_args(arguments).url == "http://a"
