"""Settings that a reader of docs/settings.md, or of an error, would have to look up in Python."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pulumi
import pytest
from pydantic import BaseModel

from components import settings
from components.settings import Settings
from components.settings.renamed import NEW_NAMES


def models(annotation: Any) -> list[type[BaseModel]]:
    """The sections in a field's type; `X | None` is looked through."""
    found = [annotation, *get_args(annotation)]
    return [each for each in found if isinstance(each, type) and issubclass(each, BaseModel)]


def described(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str | None]]:
    """Path and text of every setting, of sections too: those have their class's docstring, where they say no other."""
    for name, field in model.model_fields.items():
        inner = models(field.annotation)
        yield f"{path}{name}", field.description or (inner[0].__doc__ if inner else None)
        for each in inner:
            yield from described(each, f"{path}{name}.")


def test_every_setting_has_a_description() -> None:
    """A setting of which the page says only its name."""
    texts = dict(described(Settings))
    assert "trino.workers.spill" in texts
    assert [path for path, text in texts.items() if text is None or not text.strip()] == []


def test_a_description_is_a_sentence() -> None:
    """A page of half sentences, some of which are about the value's form and not about what it does."""
    wrong = [path for path, text in described(Settings) if text and not (text[0] in "`" or text[0].isupper())]
    wrong += [path for path, text in described(Settings) if text and not text.strip().endswith(".")]
    assert wrong == []


@pytest.mark.parametrize(("old", "new"), NEW_NAMES.items())
def test_a_setting_that_has_another_name_now_is_told_it(old: str, new: str) -> None:
    """Whoever has a stack file of before would look for the setting's new place in the history."""
    value: Any = "512Mi"
    for part in reversed(old.split(".")[1:]):
        value = {part: value}
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({old.partition(".")[0]: value})
    assert f"headwater:{new} now" in str(raised.value)
    assert new in dict(described(Settings))


def test_each_setting_of_a_section_that_is_gone_is_told_its_name() -> None:
    """`orchestration` had three settings: naming one of them would make two previews more."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({"orchestration": {"daemon_memory": "1Gi", "code_memory": "2Gi"}})
    assert "sizes.dagster_daemon.memory_limit" in str(raised.value)
    assert "sizes.dagster_code.memory_limit" in str(raised.value)


def test_a_setting_that_never_was_has_no_new_name() -> None:
    """A typo must be answered with what is allowed."""
    with pytest.raises(pulumi.RunError, match="there is no such setting; allowed here: kind, bucket"):
        settings.parse({"storage": {"memroy": "1Gi"}})


def test_a_value_of_a_wrong_form_is_told_the_form() -> None:
    """A regular expression in an error is a riddle; of a list's values too, and of what may be left out."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({"trino": {"disk": "much", "workers": {"tolerations": ["a b"]}}})
    assert "(a size such as 512Mi or 20Gi)" in str(raised.value)
    assert "(a taint such as spot=true:NoSchedule)" in str(raised.value)


def test_a_check_of_a_whole_section_says_which_field_it_is_about() -> None:
    """A `ValueError` there has the whole section as its value: a page of Python for one wrong number."""
    found = []
    for file in sorted(Path(settings.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            decorators = getattr(node, "decorator_list", [])
            if any("model_validator" in ast.unparse(each) for each in decorators):
                raised = [each.exc for each in ast.walk(node) if isinstance(each, ast.Raise) and each.exc is not None]
                found += [f"{file.name}: {ast.unparse(each)}" for each in raised]
    assert len(found) > 8
    assert [each for each in found if ": WrongField(" not in each] == []
