from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from portal import run
from portal.postgres import PROJECT

DOCUMENTED = re.compile(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)?", re.MULTILINE)
REQUIRED = ("SECRET_KEY", "ALLOWED_HOSTS", "KEY_ENCRYPTION_KEYS", "DATABASE_URL")
EXAMPLE = re.compile(r"^(#?)([A-Z_]+)=(.*)$", re.MULTILINE)


def calls_of(path: str, owners: set[str]) -> Iterator[ast.Call]:
    """Calls such as ``env.int("NAME", default=1)`` and ``os.environ.get("NAME")``."""
    for node in ast.walk(ast.parse((PROJECT / path).read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=owner), args=[ast.Constant(), *_]) if ast.unparse(owner) in owners:
                yield node


def name_in(call: ast.Call) -> str:
    argument = call.args[0]
    assert isinstance(argument, ast.Constant)
    return str(argument.value)


def variables_of_settings() -> set[str]:
    return {name_in(call) for call in calls_of("portal/settings.py", {"env"})}


def variables_of_make_run() -> set[str]:
    return {name_in(call) for call in calls_of("portal/run.py", {"os.environ", "Env()"})} | set(run.GENERATED)


def defaults_of_settings() -> dict[str, str]:
    """The defaults that do not depend on anything, as one would write them into .env."""
    found = {}
    for call in calls_of("portal/settings.py", {"env"}):
        for keyword in call.keywords:
            if keyword.arg == "default" and isinstance(keyword.value, ast.Constant):
                default = keyword.value.value
                found[name_in(call)] = str(int(default) if isinstance(default, bool) else default)
    return {name: default for name, default in found.items() if name not in REQUIRED}


def documented() -> dict[str, str]:
    rows = DOCUMENTED.findall((PROJECT / "docs/configuration.md").read_text())
    assert len(rows) == len(dict(rows)), "docs/configuration.md lists a variable twice"
    return dict(rows)


def example() -> dict[str, tuple[bool, str]]:
    """Each variable of .env.example, whether its line is a comment, and its value."""
    rows = EXAMPLE.findall((PROJECT / ".env.example").read_text())
    assert len(rows) == len({name for _, name, _ in rows}), ".env.example lists a variable twice"
    return {name: (bool(mark), value) for mark, name, value in rows}


def test_the_documentation_lists_every_variable_that_the_code_reads_and_no_other() -> None:
    assert set(documented()) == variables_of_settings() | variables_of_make_run()


def test_the_example_lists_every_variable_of_the_settings_and_no_other() -> None:
    assert set(example()) == variables_of_settings()


@pytest.mark.parametrize("name", REQUIRED)
def test_what_a_deployment_must_say_is_not_commented_out(name: str) -> None:
    is_comment, _ = example()[name]

    assert not is_comment


def test_documented_defaults_are_those_of_the_code() -> None:
    shown, written = documented(), example()

    for name, default in defaults_of_settings().items():
        is_comment, value = written[name]
        assert shown[name] == default
        assert not is_comment or value == default
