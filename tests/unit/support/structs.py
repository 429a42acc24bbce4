"""Hypothesis strategies made from the Structs themselves, so that a new field is tested without a change here."""

from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

INT64 = (-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
ANYTHING = st.recursive(  # Values as they cross the broker; a body is `JSON`.
    st.none() | st.booleans() | st.integers(*INT64) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**80), 10**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),  # Lone surrogates are among them.
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
"""Any JSON that a client may write, also what msgpack and UTF-8 have no form for."""
SIMPLE: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
    inspect.AnyType: ANYTHING,
    inspect.NoneType: st.none(),
    inspect.BoolType: st.booleans(),
    inspect.BytesType: st.binary(max_size=32),
}


@cache
def values(kind: Any) -> st.SearchStrategy[Any]:
    """Valid values of a type, bounds included."""
    return _values(inspect.type_info(kind))


def _values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.Metadata():
            return _values(kind.type)
        case inspect.ListType():
            return st.lists(_values(kind.item_type), min_size=kind.min_length or 0, max_size=(kind.min_length or 0) + 3)
        case inspect.TupleType():
            return st.tuples(*map(_values, kind.item_types))
        case inspect.DictType():
            return st.dictionaries(_values(kind.key_type), _values(kind.value_type), max_size=3)
        case inspect.UnionType():
            return st.one_of([_values(one) for one in kind.types])
        case inspect.StructType():
            return _struct(kind)
        case _:
            return _scalars(kind)


def _scalars(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.IntType():
            return st.integers(INT64[0] if kind.ge is None else kind.ge, INT64[1] if kind.le is None else kind.le)
        case inspect.FloatType():
            return _floats(kind)
        case inspect.StrType():
            return _text(kind)
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case _:
            return SIMPLE[type(kind)]


def _floats(kind: inspect.FloatType) -> st.SearchStrategy[float]:
    low = kind.gt if kind.gt is not None else kind.ge
    return st.floats(low, kind.le, exclude_min=kind.gt is not None, allow_nan=False, allow_infinity=False)


def _text(kind: inspect.StrType) -> st.SearchStrategy[str]:
    if kind.pattern is not None:
        found = st.from_regex(kind.pattern, fullmatch=True, alphabet=st.characters(codec="ascii"))
        return found.filter(lambda text: kind.max_length is None or len(text) <= kind.max_length)
    smallest = kind.min_length or 0
    return st.text(st.characters(codec="utf-8"), min_size=smallest, max_size=smallest + 12)


def _struct(kind: inspect.StructType) -> st.SearchStrategy[Any]:
    fields = {}
    for field in kind.fields:
        generated = _values(field.type)
        if field.default is not msgspec.NODEFAULT:
            generated = st.just(field.default) | generated
        fields[field.name] = generated
    return st.builds(kind.cls, **fields)
