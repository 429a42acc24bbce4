"""Penstock's TypeScript client: its own tests, its decoder beside the Python one, and what its package contains."""

import base64
import json
import random
import tarfile
from pathlib import Path

from library_process import INSTALLED
from typescript_compiler import CLIENT, run_command

from penstock_contract.stream.sse import SseDecoder

PACKAGE = INSTALLED / "penstock-client.tgz"
SEED = 20261128
WIRES = 3000
LINES = [
    *(b"data: a", b"data:  b", b"data:", b"data", b"data: [DONE]", b'data: {"text":"x"}', b"data : c"),
    *(b"event: error", b"event:queued", b"event", b"id: 1", b"id", b"id: \0", b"retry: 5", b": ping", b":", b""),
    *(b"data: \xc3\xa9", b"data: \xf0\x9d\x84\x9e", b"data: \xe2\x80\xa8", b"\xef\xbb\xbf", b"\xef\xbb\xbfdata: d"),
    *(b"data: \xff", b"data: \xc3", b"data: \xf0\x9d", b"data: \xed\xa0\x80", b"data: \xe2\x28", b"\xc3\xa9: x"),
]
ENDS = [b"\n", b"\n", b"\n\n", b"\r\n", b"\r\n\r\n", b"\r", b"\r\r", b""]


async def test_typescript_client_passes_its_own_tests() -> None:
    output = await run_command("npm", "test")
    assert "\n# fail 0\n" in output
    assert int(output.partition("\n# pass ")[2].partition("\n")[0]) > 40


async def test_typescript_decoder_returns_the_events_of_the_python_decoder(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    wires = [cut(dice, wire(dice)) for _ in range(WIRES)]
    expected = []
    for pieces in wires:
        decoder = SseDecoder()
        expected.append([list(event) for piece in pieces for event in decoder.events(piece)])
    assert sum(map(len, expected)) > WIRES
    file = tmp_path / "wires.json"
    file.write_text(json.dumps([[base64.b64encode(piece).decode() for piece in pieces] for pieces in wires]))
    decoded = json.loads(await run_command("node", "test/decode.mjs", str(file)))
    wrong = [
        (pieces, python, node) for pieces, python, node in zip(wires, expected, decoded, strict=True) if python != node
    ]
    assert wrong == []


def wire(dice: random.Random) -> bytes:
    return b"".join(dice.choice(LINES) + dice.choice(ENDS) for _ in range(dice.randint(1, 12)))


def cut(dice: random.Random, data: bytes) -> list[bytes]:
    """The bytes in pieces; some are empty."""
    places = sorted(dice.randint(0, len(data)) for _ in range(dice.choice([0, 1, 3, len(data)])))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def test_typescript_package_contains_only_what_a_user_needs() -> None:
    with tarfile.open(PACKAGE) as package:
        names = {name.removeprefix("package/") for name in package.getnames()}
        [manifest] = [json.load(file) for file in [package.extractfile("package/package.json")] if file is not None]
    built = {name for name in names if name.startswith("dist/")}
    assert names - built == {"LICENSE", "README.md", "package.json"}
    assert {Path(name).suffix for name in built} == {".js", ".ts"}
    assert {"dist/index.js", "dist/index.d.ts"} <= built
    assert "dependencies" not in manifest
    assert (CLIENT / "LICENSE").read_bytes() == (CLIENT.parent / "LICENSE").read_bytes()


def test_typescript_lock_has_no_addresses() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_text())
    assert [name for name, one in lock["packages"].items() if "resolved" in one] == []
