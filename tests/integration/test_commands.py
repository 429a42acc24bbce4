"""Every command of `penstock` as a process: help, completion in a real shell, and exit codes of errors."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from generate.commands import all_parsers, children
from harness.dev import COMMAND

from penstock_runtime.command import DESCRIPTIONS
from penstock_runtime.parsers import SETTINGS_ONLY, SHELLS

WORDS = sorted(all_parsers())
NOTHING_THERE = "http://127.0.0.1:1"
"""Nothing listens there; the same in all processes of a test run, which compare the tests' ids."""


def _run(directory: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    paths = {"TMPDIR": str(directory), "XDG_DATA_HOME": str(directory), "HOME": str(directory)}
    return subprocess.run(
        [COMMAND, *arguments],
        env={"PATH": os.environ["PATH"], **paths, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_command_table_has_every_installed_command() -> None:
    installed = {point.name for point in entry_points(group="penstock.commands")}
    assert {words.split()[0] for words in WORDS} == {*installed, "completion"} == set(DESCRIPTIONS)


@pytest.mark.parametrize("words", WORDS)
def test_command_help_has_usage_a_meaning_for_each_option_and_examples(words: str, tmp_path: Path) -> None:
    done = _run(tmp_path, *words.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: penstock {words}")
    examples = done.stdout.partition("examples:\n")[2].splitlines()
    assert examples
    assert all("penstock " in example for example in examples)
    parser = all_parsers()[words]
    assert parser.description
    assert not [action.dest for action in parser._actions if not (action.help or children(parser))]


@pytest.mark.parametrize("words", WORDS)
def test_command_example_is_accepted_by_its_parser(words: str) -> None:
    for line in (all_parsers()[words].epilog or "").partition("examples:\n")[2].splitlines():
        command = line.rpartition("| ")[2].rpartition("$(")[2].rstrip(")").partition("    #")[0].partition(" > ")[0]
        _, _, arguments = command.partition("penstock ")
        name, *rest = __import__("shlex").split(arguments)
        assert name == words.split(maxsplit=1)[0]
        if name not in SETTINGS_ONLY:
            all_parsers()[name].parse_args(rest)


@pytest.mark.parametrize("words", WORDS)
def test_command_refuses_an_unknown_option_with_exit_code_2(words: str, tmp_path: Path) -> None:
    done = _run(tmp_path, *words.split(), "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: penstock" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "penstock: a command is missing"),
        (["chta"], 2, "penstock: unknown command 'chta', did you mean chat?"),
        (["chat", "hi", "--url", NOTHING_THERE], 3, "penstock chat: "),
        (["chat"], 2, "nothing to ask: give a PROMPT"),
        (["chat", "hi", "--url", "ftp://x"], 2, "argument --url"),
        (["keys", "list"], 1, "PENSTOCK_ADMIN_TOKEN is not set"),
        (["keys", "show", "12"], 2, "is not a key's id"),
        (["usage", "--since", "never"], 2, "is neither like 2026-11-22 nor like 30d"),
        (["usage"], 1, "PENSTOCK_ADMIN_TOKEN is not set"),
        (["dev", "-f", "missing.yaml"], 1, "missing.yaml: No such file or directory"),
        (["dev", "--state", "x", "--fresh"], 2, "not allowed with argument"),
        (["reset", "--state", "/dev/null/x"], 0, ""),
        (["completion", "tclsh"], 2, "invalid choice"),
        (["completion"], 2, "required: shell"),
        (["nats-keys", "--apply"], 1, "penstock nats-keys: "),
        (["gateway"], 1, "PENSTOCK_LOG_LEVEL: 'LOUD' is not one of DEBUG, INFO"),
        (["worker"], 1, "PENSTOCK_NAMESPACE is not set"),
        (["operator"], 1, "PENSTOCK_NAMESPACES is not set"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_command_reports_an_error_with_its_exit_code(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    done = _run(tmp_path, *arguments, PENSTOCK_LOG_LEVEL="LOUD")
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_command_that_is_not_installed_names_its_package() -> None:
    # Only the runtime is on the path: no other package has entry points.
    runtime = Path(sys.modules["penstock_runtime"].__file__ or "").parents[1]
    script = f"import sys; sys.path = [{str(runtime)!r}, *[p for p in sys.path if 'site-packages' not in p]]\n"
    script += "sys.argv = ['penstock', 'dev']\nfrom penstock_runtime.command import main\nmain()"
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the command dev is not installed: pip install 'penstock' has it" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_script_is_accepted_by_its_shell(shell: str, tmp_path: Path) -> None:
    done = _run(tmp_path, "completion", shell)
    assert done.returncode == 0, done.stderr
    (tmp_path / "script").write_text(done.stdout)
    if (binary := shutil.which(shell)) is not None:
        checked = subprocess.run([binary, "-n", tmp_path / "script"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_completion_in_bash_completes_every_command_subcommand_and_option(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(_run(tmp_path, "completion", "bash").stdout)
    wanted = {f"{words.rpartition(' ')[0]}|{words.split()[-1]}" for words in WORDS}
    wanted |= {
        f"{words}|{option}"
        for words, parser in all_parsers().items()
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    lines = [f"source {tmp_path}/script"]
    for one in sorted(wanted):
        words, _, completed = one.partition("|")
        typed = ["penstock", *words.split(), completed[:-1]]
        lines += [
            f"COMP_WORDS=({' '.join(typed)}) COMP_CWORD={len(typed) - 1} COMPREPLY=()",
            f'"$(complete -p penstock | sed "s/.*-F \\([^ ]*\\).*/\\1/")" penstock {typed[-1]} {typed[-2]} 2>/dev/null',
            f'echo "{one}=${{COMPREPLY[*]}}"',
        ]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert {one for one in wanted if one.rpartition("|")[2] not in found.get(one, "").split()} == set(), done.stderr
