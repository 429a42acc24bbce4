"""Uses of the command `penstock` that start no process."""

import sys

import pytest

from penstock_runtime import command


@pytest.mark.parametrize("name", ["gateway", "operator", "worker"])
def test_command_without_arguments_prints_help_and_starts_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["penstock", name, "--help"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 0
    assert f"usage: penstock {name}" in capsys.readouterr().out


def test_command_rejects_an_unused_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["penstock", "worker", "--port", "9000"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert "takes no arguments" in capsys.readouterr().err
