"""Writes the generated parts of the documentation from the code: `make docs`. No product package imports it.

A page marks each part with `<!-- generated: name -->` … `<!-- end -->`; `sections` maps the name to its text.
"""
