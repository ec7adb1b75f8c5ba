"""Whatever a file says, it is an environment, or refused in sentences."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from stacks.application import Application
from stacks.config import ConfigError, load, load_application, parsed, read
from stacks.environment import Environment
from tests.environments import CONFIG

SETTINGS = read(CONFIG / "production.toml")


def keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys of a file that a model reads, those of its sections included; of the rows' lines those of one row."""
    for name, field in model.model_fields.items():
        key = (*path, field.alias or name)
        if key[0] in ("name", "application") and model is Environment:
            continue
        yield key
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        for section in (kind for kind in kinds if issubclass(kind, BaseModel)):
            yield from keys(section, (*key, "rds-cpu") if name == "thresholds" else key)


def leaves(model: type[BaseModel]) -> list[tuple[str, ...]]:
    every = list(keys(model))
    return [key for key in every if not any(other[: len(key)] == key and other != key for other in every)]


def _with(settings: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A copy of the settings with another value at a path."""
    name, *below = path
    inner = settings.get(name)
    return {**settings, name: _with(inner if isinstance(inner, dict) else {}, tuple(below), value) if below else value}


def _refusal(name: str, settings: dict[str, Any]) -> str:
    try:
        parsed(name, settings, CONFIG)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("key", leaves(Environment), ids=".".join)
def test_every_key_says_what_is_right_with_an_example(key: tuple[str, ...]) -> None:
    said = [
        line for line in _refusal("production", _with(SETTINGS, key, {"a": 1})).splitlines() if f": {'.'.join(key)} = " in line
    ]
    assert len(said) == 1
    assert ", such as " in said[0]


# A mapping of the application's has any keys, so a section of one is no wrong value.
@pytest.mark.parametrize("key", leaves(Application), ids=".".join)
def test_every_key_of_the_application_says_what_is_right_with_an_example(key: tuple[str, ...], tmp_path: Path) -> None:
    application = _with(read(CONFIG / "application.toml"), key, [1])
    (tmp_path / "application.toml").write_text("\n".join(f"{name} = {_toml(value)}" for name, value in application.items()))
    with pytest.raises(ConfigError) as error:
        load_application(tmp_path)
    assert f"/application.toml: {'.'.join(key)} = [1] should be " in str(error.value)
    assert ", such as " in str(error.value)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(name)} = {_toml(one)}' for name, one in value.items())}}}"
    return json.dumps(value)


VALUES = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.sampled_from(
        ["us-east-1", "us-east-1a", "10.0.0.0/16", "200", "a" * 300, "/" * 2000, "api.hz-navigator.com", 10**400, -(10**400)]
    ),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def assert_taken_or_told(read: Callable[[], Environment]) -> None:
    """It is an environment; or each line of what is said is a sentence of ours."""
    try:
        assert isinstance(read(), Environment)
    except ConfigError as error:
        said = str(error)
    else:
        return
    assert said
    for line in said.splitlines():
        assert re.match(r"config/production\.toml: (.+ )?(should|is missing|is empty)", line)
    assert not [word for word in ("pattern", "nput", "Traceback", "pydantic", "validat") if word in said]


@given(key=st.sampled_from([key for key in keys(Environment) if key != ("thresholds", "rds-cpu")]), value=VALUES)
def test_any_value_of_any_key_is_taken_or_told(key: tuple[str, ...], value: object) -> None:
    assert_taken_or_told(lambda: parsed("production", _with(SETTINGS, key, value), CONFIG))


@given(settings=st.dictionaries(st.sampled_from([*SETTINGS, "x", ""]), VALUES))
def test_any_settings_are_taken_or_told(settings: dict[str, Any]) -> None:
    assert_taken_or_told(lambda: parsed("production", settings, CONFIG))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("any") / "config"
    made.mkdir()
    (made / "application.toml").write_bytes((CONFIG / "application.toml").read_bytes())
    return made


TEXT = (CONFIG / "production.toml").read_bytes()
EDITED = st.builds(
    lambda at, cut, put: TEXT[:at] + put + TEXT[at + cut :],
    st.integers(0, len(TEXT)),
    st.integers(0, 60),
    st.binary(max_size=20) | st.text(max_size=20).map(str.encode),
)


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | EDITED)
def test_any_bytes_are_taken_or_told(folder: Path, content: bytes) -> None:
    (folder / "production.toml").write_bytes(content)
    assert_taken_or_told(lambda: load("production", folder))
