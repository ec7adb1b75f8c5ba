"""CloudWatch metric math: the part of it that this project's alarms use, and its nearest neighbours.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

A time series is a dictionary from the start of a period to a value; a period without data is not in it. Whatever is not
supported here raises ExpressionError with its name: an expression is never computed wrongly.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial, reduce

TimeSeries = dict[datetime, float]
Value = float | TimeSeries | list[TimeSeries]


class ExpressionError(ValueError):
    """An expression that is not supported here; the message names it."""


_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.And: lambda one, other: bool(one and other),
    ast.Or: lambda one, other: bool(one or other),
}
_SPELLING = ((r"\bAND\b|&&", " and "), (r"\bOR\b|\|\|", " or "), (r"\^", "**"))  # metric math's operators as Python's


def compute(
    expression: str, metrics: Mapping[str, TimeSeries], others: Mapping[str, TimeSeries], times: Sequence[datetime]
) -> Value:
    """The value of an expression: a time series, an array of them or a number.

    `metrics` are the series of the request's metrics by id, `others` those of its other expressions, and `times` the starts
    of all periods asked for, which FILL fills. ExpressionError names what is not supported.
    """
    return _Request(metrics, others, times).value(_parsed(expression))


@cache
def _parsed(expression: str) -> ast.expr:
    python = expression
    for metric_math, pythons in _SPELLING:
        python = re.sub(metric_math, pythons, python)
    try:
        return ast.parse(python.strip(), mode="eval").body
    except SyntaxError:
        raise ExpressionError(f"{expression} is not metric math") from None


class _Request:
    def __init__(self, metrics: Mapping[str, TimeSeries], others: Mapping[str, TimeSeries], times: Sequence[datetime]) -> None:
        self.metrics = metrics
        self.named = {**metrics, **others}
        self.times = sorted(times)

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return float(number)
            case ast.Name(id=name) if name in self.named:
                return self.named[name]
            case ast.List(elts=items):
                return [series for item in items for series in self.array(item)]
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return self.call(node, function, arguments)
        return self.operation(node)

    def operation(self, node: ast.expr) -> Value:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _each(operator.mul, -1.0, self.value(operand))
            case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
                operands = [left, right]
            case ast.BoolOp(op=op, values=operands):
                pass
            case _:
                raise ExpressionError(f"{ast.unparse(node)} is not supported")
        if type(op) not in _OPERATORS:
            raise ExpressionError(f"{ast.unparse(node)} is not supported")
        return reduce(partial(_each, _OPERATORS[type(op)]), map(self.value, operands))

    def call(self, node: ast.expr, function: str, arguments: list[ast.expr]) -> Value:
        match function, arguments:
            case "IF", [condition, then]:
                return _choose(self.value(condition), self.value(then), {})
            case "IF", [condition, then, otherwise]:
                return _choose(self.value(condition), self.value(then), self.value(otherwise))
            case "FILL", [series, filler]:
                filled = [self.fill(one, filler) for one in self.array(series)]
                return filled if isinstance(self.value(series), list) else filled[0]
            case (("MAX" | "MIN" | "SUM" | "AVG"), [argument]):
                return _aggregate(function, self.value(argument))
            case "METRICS", []:
                return list(self.metrics.values())
            case "METRICS", [ast.Constant(value=str() as part)]:
                return [series for name, series in self.metrics.items() if part in name]
        raise ExpressionError(f"{ast.unparse(node)} is not supported")

    def array(self, node: ast.expr) -> list[TimeSeries]:
        """One time series as an array of one, an array as it is."""
        value = self.value(node)
        if isinstance(value, float):
            raise ExpressionError(f"{ast.unparse(node)} is a number where a time series is needed")
        return value if isinstance(value, list) else [value]

    def fill(self, series: TimeSeries, filler: ast.expr) -> TimeSeries:
        """Every period of the request: REPEAT has nothing to repeat before the first value."""
        repeat = isinstance(filler, ast.Name) and filler.id == "REPEAT"
        other = {} if repeat else self.value(filler)
        if isinstance(other, list):
            raise ExpressionError("FILL with an array is not supported")
        result: TimeSeries = {}
        last: float | None = None
        for time in self.times:
            last = series.get(time, last)
            value = series.get(time, last if repeat else other if isinstance(other, float) else other.get(time))
            if value is not None:
                result[time] = value
        return result


def _choose(condition: Value, then: Value, otherwise: Value) -> TimeSeries:
    """IF: a condition that is a series decides by period, and has data where the result can have any."""
    if isinstance(condition, list) or isinstance(then, list) or isinstance(otherwise, list):
        raise ExpressionError("IF with an array is not supported")
    if isinstance(condition, float):
        chosen = then if condition else otherwise
        if isinstance(chosen, float):
            raise ExpressionError("IF of numbers alone makes no time series")
        return chosen
    result = {}
    for time, holds in condition.items():
        branch = then if holds else otherwise
        if isinstance(branch, float):
            result[time] = branch
        elif time in branch or holds:  # documented: 0 where the condition is true and its branch has no data
            result[time] = branch.get(time, 0.0)
    return result


def _each(function: Callable[[float, float], float], one: Value, other: Value) -> Value:
    """Apply by period. Documented: data missing on one side counts as 0, and a division by zero drops the datapoint."""
    if isinstance(one, list):
        if isinstance(other, list):
            raise ExpressionError("an operation on two arrays is not supported")
        return [_pair(function, item, other) for item in one]
    if isinstance(other, list):
        return [_pair(function, one, item) for item in other]
    if isinstance(one, dict) or isinstance(other, dict):
        return _pair(function, one, other)
    if (result := _apply(function, one, other)) is None:
        raise ExpressionError("a division of two numbers by zero has no value")
    return result


def _pair(function: Callable[[float, float], float], one: float | TimeSeries, other: float | TimeSeries) -> TimeSeries:
    sides = [side for side in (one, other) if isinstance(side, dict)]
    times = sorted({time for side in sides for time in side})
    results = {time: _apply(function, _at(one, time), _at(other, time)) for time in times}
    return {time: value for time, value in results.items() if value is not None}


def _at(value: float | TimeSeries, time: datetime) -> float:
    return value.get(time, 0.0) if isinstance(value, dict) else value


def _apply(function: Callable[[float, float], float], one: float, other: float) -> float | None:
    try:
        result = function(one, other)
    except (ZeroDivisionError, OverflowError):
        return None
    return None if isinstance(result, complex) else float(result)


def _aggregate(function: str, value: Value) -> TimeSeries:
    """MAX, MIN, SUM or AVG of an array by period; AVG counts missing data as 0, as documented."""
    if not isinstance(value, list):
        raise ExpressionError(
            f"{function} of a single time series is not supported: it depends on how many extra datapoints CloudWatch retrieves"
        )
    result = {}
    for time in sorted({time for series in value for time in series}):
        values = [series[time] for series in value if time in series]
        match function:
            case "MAX":
                result[time] = max(values)
            case "MIN":
                result[time] = min(values)
            case "SUM":
                result[time] = sum(values)
            case _:
                result[time] = sum(values) / len(value)
    return result
