"""TensorZero's gateway, from PyPI."""

from pathlib import Path

import install

from peers.peer import Command, Peer, Place, output


class TensorZero(Peer):
    """The gateway in the wheel `tensorzero`: tensor_zero_process.py starts it."""

    name = "tensorzero"
    title = "TensorZero"
    path = "/openai/v1/chat/completions"
    model = "tensorzero::model_name::bench"
    config = """\
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true

[models.bench]
routing = ["paced"]

[models.bench.providers.paced]
type = "openai"
model_name = "bench"
api_base = "http://127.0.0.1:{provider}/v1"
api_key_location = "none"
"""

    def install(self) -> None:
        install.venv("tensorzero")

    def command(self, place: Place) -> Command:
        config, port = place.work / "tensorzero.toml", place.work / "tensorzero.port"
        config.write_text(self.config.format(provider=place.provider))
        port.unlink(missing_ok=True)
        process = Path(__file__).with_name("tensor_zero_process.py")
        # -P: the names of the modules beside the script must not hide packages.
        return Command([self._python(), "-P", str(process), str(config), str(port)], port_file=port)

    def version(self) -> str:
        return output(self._python(), "-c", "from importlib.metadata import version; print(version('tensorzero'))")

    def _python(self) -> str:
        return str(install.CACHE / "tensorzero" / "bin" / "python")
