"""Text that came from a file or a process, without what a terminal would take for a command."""


def printable(text: str) -> str:
    r"""Each character but line ends and tabs that has no shape of its own is written as `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
