"""Compiles TypeScript beside the packages that `make test-clients` installs, with the compiler of client-ts."""

import asyncio
import json
from pathlib import Path

from library_process import HERE, INSTALLED

CLIENT = HERE.parent.parent / "client-ts"
TOOLS = CLIENT / "node_modules" / ".bin"
NODE = INSTALLED / "node"
OPTIONS = {
    "target": "ES2022",
    "module": "NodeNext",
    "lib": ["ES2022", "DOM"],
    "types": [],
    "strict": True,
    "noUncheckedIndexedAccess": True,
}


async def run_command(*command: str, cwd: Path = CLIENT) -> str:
    """The output of a command; fails if it exits with another status than 0."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
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


async def compiled(name: str, sources: dict[str, str]) -> Path:
    """The folder with the JavaScript of `sources`, by file name. `@penstock/client` is the packed one."""
    folder = NODE / name
    folder.mkdir(exist_ok=True)
    for file, text in sources.items():
        (folder / file).write_text(text)
    files = [file for file in sources if file.endswith(".ts")]
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "files": files}))
    await run_command(str(TOOLS / "tsc"), "-p", str(folder))
    return folder
