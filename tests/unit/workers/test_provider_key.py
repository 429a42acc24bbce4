"""A provider's key: from a mounted file that changes, else from a variable."""

from pathlib import Path

from penstock_contract.route.secret_ref import SecretKeyRef
from penstock_runtime.clock import ManualClock
from penstock_worker.upstream.provider_key import CHECK_S, ProviderKey, ProviderKeys

REF = SecretKeyRef(name="openai", key="api-key")


class Volume:
    """A mounted Secret as the kubelet writes it: files behind links that are replaced atomically."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._version = 0
        (root / "openai").mkdir(parents=True)
        (root / "openai" / "api-key").symlink_to("../..data/openai/api-key")

    def write(self, key: str | None) -> None:
        self._version += 1
        made = self.root / f"..{self._version}"
        (made / "openai").mkdir(parents=True)
        if key is not None:
            (made / "openai" / "api-key").write_text(key)
        link = self.root / "..tmp"
        link.symlink_to(made.name)
        link.rename(self.root / "..data")


def key_of(directory: Path | None, clock: ManualClock, environ: dict[str, str] | None = None) -> ProviderKey:
    key = ProviderKeys(str(directory) if directory else None, environ or {}, clock.monotonic).of(REF)
    assert key is not None
    return key


def test_provider_key_file_takes_precedence_over_the_variable(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write("sk-file\n")
    assert key_of(tmp_path, ManualClock(), {"OPENAI_API_KEY": "sk-variable"}).value() == "sk-file"


def test_provider_key_is_the_variable_without_a_file(tmp_path: Path) -> None:
    for directory in (None, tmp_path):
        assert key_of(directory, ManualClock(), {"OPENAI_API_KEY": "sk-variable"}).value() == "sk-variable"
        assert key_of(directory, ManualClock()).value() is None


def test_provider_key_is_read_again_a_second_after_a_change(tmp_path: Path) -> None:
    volume, clock = Volume(tmp_path), ManualClock()
    volume.write("sk-1")
    key = key_of(tmp_path, clock)
    assert key.value() == "sk-1"
    number = key.number
    volume.write("sk-2")
    assert key.value() == "sk-1", "not looked at within the second"
    clock.advance(CHECK_S)
    assert key.value() == "sk-2"
    assert key.number == number + 1


def test_provider_key_check_reads_a_replaced_key_immediately(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write("sk-1")
    key = key_of(tmp_path, ManualClock())
    assert key.check()
    assert not key.check()
    volume.write("sk-2")
    assert key.check()
    assert key.value() == "sk-2"


def test_provider_key_stays_in_use_after_its_file_is_removed(tmp_path: Path) -> None:
    volume, clock = Volume(tmp_path), ManualClock()
    volume.write("sk-1")
    key = key_of(tmp_path, clock, {"OPENAI_API_KEY": "sk-0"})
    for written, used in ((None, "sk-1"), ("", "sk-1"), ("sk-2", "sk-2")):
        key.value()
        volume.write(written)
        clock.advance(CHECK_S)
        assert key.value() == used


def test_provider_key_ignores_a_name_outside_the_directory(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not a key")
    keys = ProviderKeys(str(tmp_path / "keys"), {}, ManualClock().monotonic)
    for name, key in (("..", "secret"), ("a", "../../secret"), ("a", str(tmp_path / "secret"))):
        found = keys.of(SecretKeyRef(name=name, key=key))
        assert found is not None
        assert found.value() is None
