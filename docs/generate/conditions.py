"""Tables of docs/reference/conditions.md."""

from generate.page import table
from penstock_operator.status.client_reason import PROBLEM_TEXTS
from penstock_operator.status.reasons import EXPLANATIONS, POD_PROBLEMS, Type


def reasons(type_: Type) -> str:
    return table(
        ("reason", "status", "meaning", "what to do"),
        ((f"`{reason}`", one.status, one.meaning, one.remedy) for reason, one in EXPLANATIONS[type_].items()),
    )


def pod_problems() -> str:
    return table(
        ("reason", "meaning", "what to do", "message to clients"),
        ((f"`{reason}`", one.meaning, one.remedy, PROBLEM_TEXTS[reason]) for reason, one in POD_PROBLEMS.items()),
    )
