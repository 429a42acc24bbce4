"""Settings come from variables; an error names the variable."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from penstock_runtime.settings import InvalidSettings, LogLevel, load


class Example(Struct, frozen=True, kw_only=True):
    route: str
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    grace_s: Annotated[float, Meta(gt=0)] = 1.5
    model: str | None = None
    verbose: bool = False
    log_level: LogLevel = "INFO"


def test_settings_read_a_field_from_its_variable() -> None:
    loaded = load(
        Example,
        {
            "PENSTOCK_ROUTE": "main",
            "PENSTOCK_PORT": "9000",
            "PENSTOCK_GRACE_S": "2",
            "PENSTOCK_MODEL": "gpt",
            "PENSTOCK_VERBOSE": "true",
        },
    )

    assert loaded == Example(route="main", port=9000, grace_s=2.0, model="gpt", verbose=True)


def test_settings_use_the_default_of_an_unset_field() -> None:
    assert load(Example, {"PENSTOCK_ROUTE": "main"}) == Example(route="main")


def test_settings_keep_a_name_that_looks_like_a_number_as_text() -> None:
    assert load(Example, {"PENSTOCK_ROUTE": "42", "PENSTOCK_MODEL": "7"}) == Example(route="42", model="7")


def test_settings_ignore_variables_of_other_programs() -> None:
    assert load(Example, {"PENSTOCK_ROUTE": "main", "PORT": "1", "PENSTOCK_OTHER": "1"}).port == 8080


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, "PENSTOCK_ROUTE"),
        ({"PENSTOCK_ROUTE": "main", "PENSTOCK_PORT": "http"}, "PENSTOCK_PORT"),
        ({"PENSTOCK_ROUTE": "main", "PENSTOCK_PORT": ""}, "PENSTOCK_PORT"),
        ({"PENSTOCK_ROUTE": "main", "PENSTOCK_PORT": "65536"}, "PENSTOCK_PORT"),
        ({"PENSTOCK_ROUTE": "main", "PENSTOCK_GRACE_S": "0"}, "PENSTOCK_GRACE_S"),
        ({"PENSTOCK_ROUTE": "main", "PENSTOCK_GRACE_S": "nan"}, "PENSTOCK_GRACE_S"),
        ({"PENSTOCK_ROUTE": "main", "PENSTOCK_VERBOSE": "maybe"}, "PENSTOCK_VERBOSE"),
    ],
    ids=["missing", "not a number", "empty", "out of bounds", "zero", "not a number at all", "not a flag"],
)
def test_settings_name_missing_and_invalid_variables(environ: dict[str, str], variable: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        load(Example, environ)

    assert str(error.value).startswith(variable)


def test_settings_name_the_allowed_values_of_an_invalid_one() -> None:
    with pytest.raises(InvalidSettings) as error:
        load(Example, {"PENSTOCK_ROUTE": "main", "PENSTOCK_LOG_LEVEL": "banana"})

    assert str(error.value) == "PENSTOCK_LOG_LEVEL: 'banana' is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL"


def test_settings_name_the_allowed_words_of_an_optional_choice() -> None:
    class Optional(Struct, frozen=True):
        authentication: Literal["required", "off"] | None = None

    with pytest.raises(InvalidSettings, match=r"^PENSTOCK_AUTHENTICATION: 'yes' is not one of required, off$"):
        load(Optional, {"PENSTOCK_AUTHENTICATION": "yes"})
