"""LiteLLM's proxy."""

import json

import install

from peers.peer import Command, Peer, Place, output


class LiteLLM(Peer):
    """The common proxy, with one model and without its database."""

    name = "litellm"
    title = "LiteLLM"
    held = 512  # more of them take minutes

    def install(self) -> None:
        install.venv("litellm")

    def command(self, place: Place) -> Command:
        upstream = {"model": "openai/bench", "api_base": f"http://127.0.0.1:{place.provider}/v1", "api_key": "sk-bench"}
        config = {
            "model_list": [{"model_name": "bench", "litellm_params": upstream}],
            "litellm_settings": {"num_retries": 0, "telemetry": False, "set_verbose": False},
        }
        path = place.work / "litellm.yaml"
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        executable = install.CACHE / "litellm" / "bin" / "litellm"
        env = {
            "LITELLM_MASTER_KEY": place.key,  # it refuses to start without
            "LITELLM_MODE": "PRODUCTION",  # this and the next from its manual's page for production
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # the price list in the package: the start waits for no network
        }
        return Command([str(executable), "--config", str(path), "--host", "127.0.0.1", "--port", str(place.port)], env)

    def version(self) -> str:
        python = str(install.CACHE / "litellm" / "bin" / "python")
        return output(python, "-c", "from importlib.metadata import version; print(version('litellm'))")
