"""Reads `config/`: a file for the application, and one for each environment."""

import codecs
import ipaddress
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from stacks.application import Application, quoted
from stacks.environment import Environment
from stacks.readiness import EXAMPLE_ACCOUNT, examples

CONFIG = Path(__file__).parent.parent / "config"
APPLICATION = "application"
"""The file that describes no environment."""

_NOT_IN_A_FILE = {"name", "application"}  # of an environment's keys

M = TypeVar("M", bound=BaseModel)


class ConfigError(Exception):
    """A configuration that cannot be deployed; its message has one sentence a problem: file, key, value, what is right."""


def _sentences(file: Path, model: type[BaseModel], error: ValidationError) -> str:
    """One sentence a problem, with the file, the key, the value and what would be right."""
    return _told(file, *(_sentence(model, problem) for problem in error.errors(include_url=False)))


def _told(file: Path, *sentences: str) -> str:
    return "\n".join(f"{file.parent.name}/{file.name}: {sentence}" for sentence in sentences)


def _sentence(model: type[BaseModel], problem: ErrorDetails) -> str:
    path = [part for part in problem["loc"] if isinstance(part, str)]  # and no number in an array
    section, key, value = path[:-1], ".".join(map(_bare, path)), problem["input"]
    match problem["type"]:
        case _ if model is Environment and key == "name":
            return f"the file's name, {value}, should be {_right(model, path)}"
        case "extra_forbidden":
            of = _section(model, section)
            known = {field.alias or name for name, field in of.model_fields.items()} - (
                _NOT_IN_A_FILE if of is Environment else set()
            )
            where = f"{'.'.join(map(_bare, section))} may have" if section else "it may have"
            return f"{key} is not a key of this file and should be removed: {where} {', '.join(sorted(known))}"
        case "value_error":  # our own: already says what should be, and of which key, unless it is about one value
            reason = problem["msg"].removeprefix("Value error, ")
            return f"{_assigned(key, value)} {reason}" if isinstance(value, str) else reason
        case "missing":
            return f"{key} is missing and should be {_right(model, path)}"
        case _:
            return f"{_assigned(key, value)} should be {_right(model, path)}"


def _right(model: type[BaseModel], path: Sequence[str]) -> str:
    """What is right for a key, with an example: what its field says, or that it is a section."""
    for end, name in enumerate(path):
        field = _field(_section(model, path[:end]), name)
        if field and field.description and field.examples:
            return f"{field.description}, such as {_toml(field.examples[0])}"
    return f"a section, such as [{'.'.join(map(_bare, path))}] with its keys below it"


def _field(model: type[BaseModel], name: str) -> FieldInfo | None:
    """The field of a key of a file."""
    return next((field for own, field in model.model_fields.items() if (field.alias or own) == name), None)


def _assigned(key: str, value: object) -> str:
    """A key and its value as in the file; of what may be a token no more than its beginning."""
    shown = _toml(value)
    if key.endswith("_secret") and len(shown) > 12:
        shown = f'{shown[:8]}..."'
    return f"{key} = {shown if len(shown) <= 80 else f'{shown[:77]}...'}"


def _toml(value: object) -> str:
    """A value as TOML writes it, on one line."""
    match value:
        case str():
            return quoted(value)
        case bool():
            return json.dumps(value)
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{_bare(name)} = {_toml(one)}' for name, one in value.items())}}}"
        case int() if abs(value) > 10**15:
            return f"{'-' if value < 0 else ''}a number of {value.bit_length() // 3} digits or so"
        case _:
            return str(value)


def _bare(name: object) -> str:
    """A part of a key as TOML writes it."""
    return str(name) if re.fullmatch(r"[A-Za-z0-9_-]+", str(name)) else quoted(str(name)[:80])


def _section(model: type[BaseModel], path: Iterable[int | str]) -> type[BaseModel]:
    """The section at a path below a file's model, optional ones and the rows' overrides included."""
    found = model
    for name in path:
        if field := found.model_fields.get(str(name)):
            kinds = (field.annotation, *get_args(field.annotation))
            found = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), found)
    return found


def load(name: str, folder: Path = CONFIG) -> Environment:
    """The environment that `<folder>/<name>.toml` describes; ConfigError names the file, the key, the value and the fix."""
    file = folder / f"{name}.toml"
    if name not in (known := names(folder)):
        raise ConfigError(f"{folder.name}/{name}.toml: no such environment: there are {', '.join(known) or 'none'}")
    settings = read(file)
    for key in sorted(_NOT_IN_A_FILE & settings.keys()):
        why = "the file's name says it" if key == "name" else f"{folder.name}/{APPLICATION}.toml says it for all environments"
        raise ConfigError(f"{folder.name}/{file.name}: {key} should be removed: {why}")
    return parsed(name, settings, folder)


def parsed(name: str, settings: Mapping[str, Any], folder: Path = CONFIG, *, finished: bool = True) -> Environment:
    """The environment that a file's settings describe, with the application of its folder; ConfigError as above.

    One that has an account of its own should be finished: it has no example value left.
    """
    file = folder / f"{name}.toml"
    environment = _validated(Environment, file, {"name": name, "application": load_application(folder), **settings})
    if finished and environment.account != EXAMPLE_ACCOUNT and (left := tuple(examples(settings))):
        raise ConfigError(_told(file, *left))
    return environment


def load_application(folder: Path = CONFIG) -> Application:
    """The application that `<folder>/application.toml` describes; ConfigError as above."""
    file = folder / f"{APPLICATION}.toml"
    return _validated(Application, file, read(file))


def names(folder: Path = CONFIG) -> list[str]:
    """The names of the folder's environments, sorted."""
    return sorted(file.stem for file in folder.glob("*.toml") if file.stem != APPLICATION)


def load_all(folder: Path = CONFIG) -> tuple[Environment, ...]:
    """Every environment of the folder, in order of name; their networks and host names must not overlap."""
    environments = tuple(load(name, folder) for name in names(folder))
    if not environments:
        raise ConfigError(f"{folder.name}/: has no environment, and should have a .toml file for each, such as production.toml")
    apart(folder, environments)
    return environments


def read(file: Path) -> dict[str, Any]:
    """The settings of a file; ConfigError for whatever is no readable file of TOML with something in it."""
    try:
        return _settings(file)
    except _FileError as error:
        raise ConfigError(_told(file, str(error))) from None
    except OSError as error:
        raise ConfigError(_told(file, f"cannot be read: {error.strerror}; `ls -l` shows what it is")) from None


class _FileError(Exception):
    """What is wrong with a file as a whole."""


def _settings(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise _FileError("is a link to a file that does not exist" if file.is_symlink() else "no such file")
    if not file.is_file():
        raise _FileError(f"should be a file, and is {'a folder' if file.is_dir() else 'something else'}")
    content = file.read_bytes()
    for mark, of in _MARKS.items():
        if content.startswith(mark):
            raise _FileError(f"begins with a byte order mark (BOM){of} and should be saved as UTF-8 without one")
    try:
        settings = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise _FileError(f"should be UTF-8, and byte {error.start + 1} is not") from None
    except RecursionError:
        raise _FileError("should be TOML: its brackets are nested too deep") from None
    except ValueError as error:  # of TOML, and of a number with thousands of digits
        raise _FileError(f"should be TOML: {_on_one_line(str(error))}") from None
    if not settings:
        raise _FileError("is empty, and should have the keys that docs/deploying.md lists: `make init` writes such a file")
    return settings


_MARKS = {codecs.BOM_UTF8: "", codecs.BOM_UTF16_LE: " of UTF-16", codecs.BOM_UTF16_BE: " of UTF-16"}


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _validated(model: type[M], file: Path, settings: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(_sentences(file, model, error)) from None


def apart(folder: Path, environments: Sequence[Environment]) -> None:
    """ConfigError when two environments of a folder have a network or a host name in common."""
    for one, other in combinations(environments, 2):
        if ipaddress.ip_network(one.network.cidr).overlaps(ipaddress.ip_network(other.network.cidr)):
            raise ConfigError(
                f'{folder.name}/{other.name}.toml: network.cidr = "{other.network.cidr}" overlaps {one.network.cidr} of '
                f'{folder.name}/{one.name}.toml and should be a block of its own, such as "{free_block(environments)}"'
            )
        hosts = {one.domain.frontend, one.domain.api}
        for key in ("frontend", "api"):
            if (host := getattr(other.domain, key)) in hosts:
                raise ConfigError(
                    f'{folder.name}/{other.name}.toml: domain.{key} = "{host}" is a name of {folder.name}/{one.name}.toml and '
                    f'should be one of its own, such as "{other.name}-{host}"'
                )


def free_block(environments: Iterable[Environment]) -> str:
    """A CIDR block that no environment uses."""
    used = [ipaddress.IPv4Network(environment.network.cidr) for environment in environments]
    blocks = ipaddress.IPv4Network("10.0.0.0/8").subnets(new_prefix=16)
    return str(next(block for block in blocks if not any(map(block.overlaps, used))))
