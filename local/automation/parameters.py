"""The rules of a document's parameters, and the values that an execution is started with.

https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import regex

from local.automation.documents import Document, Parameter
from local.automation.values import ROLE_ARN, a, is_a, listed, supplied

_PATTERN_SECONDS = 0.5
"""As long as a pattern may take: it may be anybody's."""


class ParameterError(ValueError):
    """A value that a parameter does not take; the message is one sentence."""


def rule_problems(kind: str, named: str, one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the rules of a parameter of a data type, and with its default; each with its key."""
    for key in ("minItems", "maxItems", "minChars", "maxChars"):
        if key in one and (not is_a("Integer", one[key]) or one[key] < 0):
            yield key, f"{key} is a number of 0 or more"
    allowed = one.get("allowedValues")
    if allowed is not None and not isinstance(allowed, list):
        yield "allowedValues", "allowedValues is a list"
    pattern = one.get("allowedPattern")
    if isinstance(pattern, str):
        try:
            regex.compile(pattern)
        except regex.error as error:
            yield "allowedPattern", f"allowedPattern is not a regular expression: {error}"
            return
    default = one.get("default")
    if "default" not in one or _refers(default) or default in ("", [], {}):
        return
    if not is_a(kind, default):
        yield "default", f"the default of {a(named)} is not {json.dumps(default, default=str)[:60]}"
        return
    if sentence := refusal(kind, one, default):
        yield "default", f"the default {sentence}"


def _refers(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def refusal(kind: str, rules: Mapping[str, Any], value: Any) -> str:
    """What the rules of a parameter say of a value; empty when they allow it. Rules that are none are passed over."""
    items = value if isinstance(value, list) else [value]
    texts = listed(value)
    allowed, pattern = rules.get("allowedValues"), rules.get("allowedPattern")
    if isinstance(allowed, list) and any(item not in allowed for item in items):
        return f"is none of {', '.join(str(one) for one in allowed)}"
    if isinstance(pattern, str) and kind in ("String", "StringList"):
        try:
            if not all(regex.search(pattern, text, timeout=_PATTERN_SECONDS) for text in texts):
                return f"does not match {pattern}"
        except TimeoutError:
            return f"takes too long to match {pattern}"
        except regex.error:
            return ""
    for rule, measured, sign in (
        ("minItems", len(items), 1),
        ("maxItems", len(items), -1),
        ("minChars", min(map(len, texts), default=0), 1),
        ("maxChars", max(map(len, texts), default=0), -1),
    ):
        bound: Any = rules.get(rule)
        if is_a("Integer", bound) and (measured - bound) * sign < 0:
            return f"has {measured} {rule[3:].lower()}, and {rule} is {bound}"
    return ""


def given(document: Document, texts: Mapping[str, list[str]]) -> dict[str, Any]:
    """The values of a document's parameters from what an execution is started with; ParameterError when they do not fit."""
    if unknown := [name for name in texts if name not in document.parameters]:
        raise ParameterError(
            f"Unknown parameters: {', '.join(unknown)}. The document has {', '.join(document.parameters) or 'none'}."
        )
    values = {}
    for parameter in document.parameters.values():
        if parameter.name in texts:
            values[parameter.name] = _value(parameter, texts[parameter.name])
        elif parameter.default is None:
            raise ParameterError(f"The parameter {parameter.name} is required and has no default.")
        else:
            values[parameter.name] = parameter.default
    return values


def _value(parameter: Parameter, texts: list[str]) -> Any:
    try:
        value = supplied(parameter.kind, texts)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"The parameter {parameter.name} is {a(parameter.type)}: {error}.") from None
    if parameter.type == "AWS::IAM::Role::Arn" and value and not ROLE_ARN.fullmatch(value):
        raise ParameterError(f"The parameter {parameter.name} is the ARN of a role, not {value}.")
    if sentence := refusal(parameter.kind, parameter.rules, value):
        raise ParameterError(f"The value {', '.join(texts)} of the parameter {parameter.name} {sentence}.")
    return value
