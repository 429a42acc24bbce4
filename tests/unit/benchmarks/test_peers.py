"""Peers are pinned with hashes, and their configurations have what the benchmark states."""

import re
import socket
import tomllib
from pathlib import Path

import pytest
import yaml
from install import HERE
from peers import PEERS, Place
from peers.tensor_zero_process import without_nagle

PINNED = sorted(HERE.glob("requirements-*.txt"))


@pytest.mark.parametrize("file", PINNED, ids=lambda file: file.name)
def test_peers_packages_are_pinned_with_hashes(file: Path) -> None:
    requirements = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).strip())
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in requirements)


def test_peers_stand_in_the_order_of_the_columns() -> None:
    assert list(PEERS) == ["ours", "on", "envoy", "tensorzero", "hono", "litellm"]


def test_peers_with_everything_on_have_prices_keys_and_an_exporter(tmp_path: Path) -> None:
    place = Place(tmp_path, 1, 2, "sk-penstock-1", "http://127.0.0.1:4318")
    env = PEERS["on"].command(place).env
    (provider,) = yaml.safe_load((tmp_path / "routes.yaml").read_text())["spec"]["providers"]
    assert provider["prices"] == {"inputPerMillion": "0.15", "outputPerMillion": "0.6"}
    assert (env["PENSTOCK_AUTHENTICATION"], env["PENSTOCK_FIRST_KEY"]) == ("required", "sk-penstock-1")
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"


def test_peers_without_it_have_none_of_them(tmp_path: Path) -> None:
    env = PEERS["ours"].command(Place(tmp_path, 1, 2, "sk-penstock-1", "http://127.0.0.1:4318")).env
    (provider,) = yaml.safe_load((tmp_path / "routes.yaml").read_text())["spec"]["providers"]
    assert set(provider) == {"name", "type", "baseURL"}
    assert set(env) == {"XDG_DATA_HOME"}


def test_peers_tensorzero_writes_its_port_itself_and_has_no_database(tmp_path: Path) -> None:
    (tmp_path / "tensorzero.port").write_text("1")
    command = PEERS["tensorzero"].command(Place(tmp_path, 1, 4711, "sk-1"))
    config = tomllib.loads((tmp_path / "tensorzero.toml").read_text())
    assert config["models"]["bench"]["providers"]["paced"]["api_base"] == "http://127.0.0.1:4711/v1"
    assert config["gateway"]["observability"] == {"enabled": False}
    assert command.port_file == tmp_path / "tensorzero.port"
    assert not command.port_file.exists()  # of an earlier start


def test_peers_tensorzero_accepts_connections_without_nagle() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        without_nagle(address[1])
        with socket.create_connection(address), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    with pytest.raises(SystemExit, match="no socket of this process listens"):
        without_nagle(address[1])
