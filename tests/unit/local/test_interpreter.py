"""The optimisations of a Python build, as the builds of several distributors record them."""

import sysconfig
from typing import Any

import pytest

from penstock_local.interpreter import missing, notice

GCC = "-fprofile-use -fprofile-correction"
CLANG = "-fprofile-instr-use=code.profclangd"


def _build(arguments: str | None, use: str | None = GCC, **flags: str) -> dict[str, Any]:
    plain = {"CFLAGS": "-fno-strict-overflow -DNDEBUG -g -O3 -Wall", "LDFLAGS": "-Wl,-rpath,/opt/python/lib"}
    return plain | flags | {"CONFIG_ARGS": arguments, "PGO_PROF_USE_FLAG": use}


PYENV = (
    "'--prefix=/root/.pyenv/versions/3.11.7' '--enable-shared' 'LDFLAGS=-L/lib -Wl,-rpath,/lib' 'CPPFLAGS=-I/include'"
)
DEBIAN = (
    "'--enable-shared' '--prefix=/usr' '--with-computed-gotos' '--without-ensurepip' '--with-dtrace'"
    " 'MKDIR_P=/bin/mkdir -p' 'CC=x86_64-linux-gnu-gcc' 'CFLAGS=-g   -fstack-protector-strong ' 'LDFLAGS=  -g -O2   '"
)
OFFICIAL_IMAGE = "'--build=x86_64-linux-gnu' '--enable-optimizations' '--enable-shared' '--with-lto' '--with-ensurepip'"
STANDALONE = (
    "'--prefix=/install' '--enable-optimizations' '--enable-bolt' '--with-lto' 'CC=clang' 'CFLAGS=-fvisibility=hidden'"
)


@pytest.mark.parametrize(
    ("build", "lacks"),
    [
        pytest.param(_build(PYENV), ("PGO", "LTO"), id="pyenv"),
        pytest.param(_build(""), ("PGO", "LTO"), id="configure without arguments"),
        pytest.param(_build("'--with-pydebug'", CLANG), ("PGO", "LTO"), id="a debug build"),
        pytest.param(_build("'--enable-optimizations'"), ("LTO",), id="PGO only"),
        pytest.param(_build("'--with-lto=thin'", CLANG), ("PGO",), id="LTO only"),
        pytest.param(_build(OFFICIAL_IMAGE), (), id="the official images"),
        pytest.param(_build(STANDALONE, CLANG), (), id="python-build-standalone, which uv installs"),
        pytest.param(_build("'--enable-optimizations=yes' '--with-lto=full'"), (), id="with values"),
        pytest.param(_build("'--enable-optimizations=no' '--with-lto=no'"), ("PGO", "LTO"), id="negative values"),
        pytest.param(
            _build("'--enable-optimizations' '--with-lto' '--disable-optimizations' '--without-lto'"),
            ("PGO", "LTO"),
            id="the last argument counts",
        ),
        pytest.param(
            _build("'CFLAGS=-O2 --with-lto --enable-optimizations'"), ("PGO", "LTO"), id="in the value of another one"
        ),
        pytest.param(
            _build("'--enable-shared'", PY_CORE_CFLAGS=f"-O3 {GCC}", PY_CORE_LDFLAGS="-flto=auto"),
            (),
            id="in the flags only",
        ),
        pytest.param(_build(DEBIAN, ""), (), id="Debian, which deletes what it recorded"),
        pytest.param(_build(None, None), (), id="Windows, which records nothing"),
        pytest.param({}, (), id="no variables"),
    ],
)
def test_interpreter_names_the_optimisations_that_a_build_lacks(build: dict[str, Any], lacks: tuple[str, ...]) -> None:
    assert missing(build) == lacks


def test_interpreter_notice_is_for_builds_that_lack_one_only() -> None:
    assert notice(_build(PYENV)) == "this Python was built without PGO and LTO, which costs up to 16 % more CPU"
    assert notice(_build("'--with-lto'")) == "this Python was built without PGO, which costs up to 16 % more CPU"
    assert notice(_build(OFFICIAL_IMAGE)) is None


def test_interpreter_reads_the_variables_of_the_running_python() -> None:
    assert set(missing(sysconfig.get_config_vars())) <= {"PGO", "LTO"}
