"""Runs a script of a client library in the environment that `make test-clients` installs for its language."""

import asyncio
import os
from pathlib import Path

from model_server import EMBEDDING_MODEL

HERE = Path(__file__).parent
INSTALLED = HERE.parent.parent / ".cache" / "clients"


async def run_script(path: Path, url: str, model: str, **environment: str) -> str:
    """Runs a Python or Node script with the gateway's address and a model in its environment; returns its output.

    Fails if it exits with another status than 0.
    """
    if path.suffix == ".mjs":
        # Node looks for packages beside the script, and for the folder of a link only with these options.
        command = ["node", "--preserve-symlinks-main", "--preserve-symlinks"]
    else:
        command = [str(INSTALLED / "python" / "bin" / "python")]
    process = await asyncio.create_subprocess_exec(
        *command,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", ""),
            "PENSTOCK_URL": url,
            "MODEL": model,
            "EMBEDDING_MODEL": EMBEDDING_MODEL,
            **environment,
        },
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode()
    assert process.returncode == 0, text
    return text
