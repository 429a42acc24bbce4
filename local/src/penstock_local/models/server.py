"""llama.cpp's own HTTP server for one model, inside this process and bounded.

The bounds are a laptop's: few threads, four slots, no cache that grows. The pages and endpoints
that show other callers' prompts are off, and so is the log, which may quote them. Must not
depend on the model, on the file's origin, or on the time to stop.
"""

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

from penstock_local.models.weights import UnavailableError

_MAX_THREADS = 4
_SLOTS = 4
_REPEAT_PENALTY = 1.15
_ANSWER_TOKENS = 512
_HTTP_THREADS = 16
_SILENT = -1


class LlamaServer(Protocol):
    """A server that runs from its construction until nothing refers to it any more."""

    listening_address: str


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Settings of one model's server.

    context_tokens is each slot's: a prompt that does not fit is refused with 400, and an answer
    that would outgrow it ends with finish_reason "length". chat_template is a name of llama.cpp's list,
    or empty for the file's own; temperature is for requests that give none.
    """

    alias: str
    context_tokens: int
    embedding: bool = False
    chat_template: str = ""
    temperature: float = 1.0


def start(serving: ModelOptions, weights: Path, host: str, port: int) -> LlamaServer:
    """Serve `weights` on host:port (0: any free port); returns once it answers.

    Raises UnavailableError when the runtime is missing, or cannot load the file or take the port.
    """
    llama = _runtime()
    params = llama.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {serving.alias}
    params.embedding = serving.embedding
    params.chat_template = serving.chat_template
    params.sampling.temp = serving.temperature
    # Small models fall into loops: penalise repetition, and end an answer without a bound.
    params.sampling.penalty_repeat = _REPEAT_PENALTY
    params.n_predict = _ANSWER_TOKENS
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * serving.context_tokens
    if serving.embedding:
        # A text is embedded in one batch; one that fits no batch would be a 500, not a 400.
        params.n_batch = params.n_ubatch = 2 * serving.context_tokens
    threads = min(os.cpu_count() or 1, _MAX_THREADS)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = _HTTP_THREADS  # a waiting request holds one: beyond the slots they queue
    params.n_gpu_layers = 0
    params.cache_ram_mib = 0  # the default keeps up to 8 GiB of past prompts
    params.hostnames = [host]
    params.port = port
    params.cors_origins = "http://localhost"  # the default lets any web page in
    params.cors_credentials = False
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = _SILENT
    try:
        server: LlamaServer = llama.Server(params)
    except RuntimeError as error:
        raise UnavailableError(
            f"{serving.alias} cannot be served on {host}:{port}, is the port taken? {error}"
        ) from error
    return server


def _runtime() -> ModuleType:
    # Loaded here and not above: it maps 100 MB of native code, and may be missing.
    # OpenMP threads that spin while they wait cost a third of the speed once another process needs
    # a core, and beside a model runs the whole local stack. libgomp reads this when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return import_module("xllamacpp")
    except ModuleNotFoundError as error:
        raise UnavailableError.not_installed("xllamacpp") from error
    except ImportError as error:  # its Linux wheel leaves OpenMP to the system
        raise UnavailableError(f"xllamacpp does not load ({error}): is libgomp1 installed?") from error
