"""The pictures in docs/pictures, from the text beside each."""

from generate import boxes, sequence
from generate.page import DOCS

FOLDER = DOCS / "pictures"


def rendered() -> dict[str, str]:
    """The SVG of each picture by its file's name."""
    architecture = (FOLDER / "architecture.txt").read_text("utf-8")
    stream = (FOLDER / "stream.txt").read_text("utf-8")
    return {
        "architecture.svg": boxes.picture(architecture, "Architecture of Penstock"),
        "stream.svg": sequence.picture(stream, "The life of a stream"),
    }


def write() -> None:
    for name, drawing in rendered().items():
        (FOLDER / name).write_text(drawing, "utf-8")
