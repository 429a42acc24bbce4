"""Runs the cases of one client library, prints a line for each, and exits with 1 if one failed."""

import asyncio
import functools
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

CASES: list[Callable[[], Any]] = []


def case(function: Callable[[], Any]) -> Callable[[], Any]:
    """Registers a function without parameters, or a coroutine function, as a case."""
    CASES.append(function)
    return function


def case_of_each(values: Mapping[str, Any]) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Registers a function of one parameter as a case for each value; the cases have the values' names."""

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        for name, value in values.items():
            made = functools.partial(function, value)
            made.__name__ = f"{name}_{function.__name__}"  # type: ignore[attr-defined]
            case(made)
        return function

    return register


def run() -> None:
    """Runs all registered cases in their order and ends the process."""
    failed = 0
    for function in CASES:
        try:
            result = function()
            if inspect.iscoroutine(result):
                asyncio.run(result)
        except Exception:
            failed += 1
            print(f"FAIL {function.__name__}")
            traceback.print_exc()
        else:
            print(f"PASS {function.__name__}")
    print(f"{len(CASES) - failed} of {len(CASES)} cases passed", flush=True)
    sys.exit(failed > 0)
