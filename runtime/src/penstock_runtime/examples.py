"""Adds examples to the help of a command, below its options."""

import textwrap
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Final

WIDTH: Final = 80


def with_examples(parser: ArgumentParser, *examples: str) -> ArgumentParser:
    """The same parser. Its epilog, if it has one, stays above the examples."""
    lines = ["examples:", *(f"  {example}" for example in examples)]
    before = [textwrap.fill(parser.epilog, WIDTH), ""] if parser.epilog else []
    parser.epilog = "\n".join([*before, *lines])
    parser.description = textwrap.fill(parser.description or "", WIDTH)
    parser.formatter_class = RawDescriptionHelpFormatter
    return parser
