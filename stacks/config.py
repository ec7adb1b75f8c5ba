"""Reads `config/`: a file for the application, and one for each environment."""

import ipaddress
import tomllib
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stacks.application import Application
from stacks.environment import Environment

CONFIG = Path(__file__).parent.parent / "config"
APPLICATION = "application"
"""The file that describes no environment."""

_NOT_IN_A_FILE = {"name", "application"}  # of an environment's keys

M = TypeVar("M", bound=BaseModel)


class ConfigError(Exception):
    """A configuration that cannot be deployed; its message has one sentence a problem: file, key, value, what is right."""


def _sentences(file: Path, model: type[BaseModel], error: ValidationError) -> str:
    """One sentence a problem, with the file, the key, the value and what would be right."""
    return "\n".join(f"{file.parent.name}/{file.name}: {_sentence(model, problem)}" for problem in error.errors())


def _sentence(model: type[BaseModel], problem: ErrorDetails) -> str:
    section = problem["loc"][:-1]
    key, value = ".".join(map(str, problem["loc"])), problem["input"]
    reason = problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "missing":
            return f"{key} is missing and should be set"
        case "extra_forbidden":
            of = _section(model, section)
            known = {field.alias or name for name, field in of.model_fields.items()} - (
                _NOT_IN_A_FILE if of is Environment else set()
            )
            shown = key if isinstance(value, dict) else f"{key} = {value!r}"
            where = f"{'.'.join(map(str, section))} may have" if section else "it may have"
            keys = ", ".join(sorted(known))
            return f"{shown} is not a key of this file and should be removed: {where} {keys}"
        case "value_error":  # our own: already says what should be
            return f"{key} = {value!r} {reason}" if isinstance(value, str) else f"{key}: {reason}" if key else reason
        case _:
            return f"{key} = {value!r} should be right: {reason[0].lower()}{reason[1:]}"


def _section(model: type[BaseModel], path: Iterable[int | str]) -> type[BaseModel]:
    """The section at a path below a file's model, optional ones and the rows' overrides included."""
    found = model
    for name in path:
        if field := found.model_fields.get(str(name)):
            kinds = (field.annotation, *get_args(field.annotation))
            found = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return found


def load(name: str, folder: Path = CONFIG) -> Environment:
    """The environment that `<folder>/<name>.toml` describes; ConfigError names the file, the key, the value and the fix."""
    file = folder / f"{name}.toml"
    if name not in (known := names(folder)):
        raise ConfigError(f"{folder.name}/{name}.toml: no such environment: there are {', '.join(known) or 'none'}")
    settings = _read(file)
    for key in sorted(_NOT_IN_A_FILE & settings.keys()):
        why = "the file's name says it" if key == "name" else f"{folder.name}/{APPLICATION}.toml says it for all environments"
        raise ConfigError(f"{folder.name}/{file.name}: {key} should be removed: {why}")
    return _validated(Environment, file, {"name": name, "application": load_application(folder), **settings})


def load_application(folder: Path = CONFIG) -> Application:
    """The application that `<folder>/application.toml` describes; ConfigError as above."""
    file = folder / f"{APPLICATION}.toml"
    return _validated(Application, file, _read(file))


def names(folder: Path = CONFIG) -> list[str]:
    """The names of the folder's environments, sorted."""
    return sorted(file.stem for file in folder.glob("*.toml") if file.stem != APPLICATION)


def load_all(folder: Path = CONFIG) -> tuple[Environment, ...]:
    """Every environment of the folder, in order of name; their networks must not overlap."""
    environments = tuple(load(name, folder) for name in names(folder))
    if not environments:
        raise ConfigError(f"{folder.name}/: has no environment, and should have a .toml file for each")
    _no_overlap(folder, environments)
    return environments


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file.parent.name}/{file.name}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file.parent.name}/{file.name}: should be TOML: {error}") from None


def _validated(model: type[M], file: Path, settings: dict[str, Any]) -> M:
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(_sentences(file, model, error)) from None


def _no_overlap(folder: Path, environments: Iterable[Environment]) -> None:
    for one, other in combinations(environments, 2):
        if ipaddress.ip_network(one.network.cidr).overlaps(ipaddress.ip_network(other.network.cidr)):
            raise ConfigError(
                f"{folder.name}/{other.name}.toml: network.cidr = {other.network.cidr!r} overlaps {one.network.cidr} of "
                f"{folder.name}/{one.name}.toml and should be a block of its own"
            )
