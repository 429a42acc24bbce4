"""`make docs`: write every generated part and picture."""

from generate import pictures
from generate.page import pages, write
from generate.sections import SECTIONS

if __name__ == "__main__":
    for page in pages():
        write(page, SECTIONS)
    pictures.write()
