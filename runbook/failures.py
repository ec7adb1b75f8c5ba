"""The alarms on our own functions: somebody has to know when the automation itself fails or falls silent."""

from dataclasses import dataclass

from runbook.rows import OWN, Level, Missing, Signal, Window, Worse
from runbook.sections import Section
from runbook.severities import Severity


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Something of our own that fails: one alarm, at `level`. `signal` breaches when it is strictly past `line`."""

    slug: str
    title: str
    signal: Signal
    window: Window
    section: Section
    cause: str
    severity: Severity = "P2"
    level: Level = "critical"
    line: float = 0
    worse: Worse = "above"
    missing: Missing = "notBreaching"
    direct: bool = False
    """The alarm goes to the on-call topic by itself: it says that `notify` would tell nobody. Where it also fires for missing
    data, it does so once monitoring is armed: at first there is none."""
    needs: str = ""
    """The optional part of an environment without which there is no alarm."""

    @property
    def function(self) -> str:
        """The function that fails: the one that the signal names, or that of the optional part."""
        named = (of.partition("=")[2] for of in self.signal.dimensions if of.startswith("FunctionName="))
        return next(named, self.needs)


def _of_function(name: str, metric: str) -> Signal:
    return Signal("AWS/Lambda", metric, (f"FunctionName={name}",), "Sum")


_LOG = "its log says what"

FAILURES: tuple[Failure, ...] = (
    Failure(
        slug="rollback-errors",
        title="The rollback function failed",
        signal=_of_function("rollback", "Errors"),
        window=Window(1, 1),
        section=Section.BACKEND_ROLLBACK,
        cause=_LOG,
    ),
    Failure(
        slug="rollback-throttles",
        title="The rollback function was kept from running",
        signal=_of_function("rollback", "Throttles"),
        window=Window(1, 1),
        section=Section.BACKEND_ROLLBACK,
        cause="the account's Lambda concurrency is used up",
    ),
    Failure(
        slug="rollback-dead-letters",
        title="An alarm that the rollback function could not handle reached nobody",
        signal=_of_function("rollback", "DeadLetterErrors"),
        window=Window(1, 1),
        section=Section.BACKEND_ROLLBACK,
        cause="the escalations topic or its key refuses",
    ),
    Failure(
        slug="releases-errors",
        title="The releases function fails: a cdk deploy may bring back an older image",
        signal=_of_function("releases", "Errors"),
        window=Window(3, 5),  # an event and its two retries
        section=Section.BACKEND_ROLLBACK,
        cause=_LOG,
        severity="P3",
        level="warning",
    ),
    Failure(
        slug="diagnose-errors",
        title="The diagnose function fails: pages come without their likely cause",
        signal=_of_function("diagnose", "Errors"),
        window=Window(2, 5),
        section=Section.INCIDENT_RESPONSE,
        cause=_LOG,
        severity="P3",
        level="warning",
    ),
    Failure(
        slug="health-check-errors",
        title="The health check function failed",
        signal=_of_function("health-check", "Errors"),
        window=Window(2, 3),
        section=Section.HIGH_ERROR_RATE,
        cause=_LOG,
    ),
    Failure(
        slug="health-check-silent",
        title="The health check does not run: an outage would be seen by its users alone",
        signal=_of_function("health-check", "Invocations"),
        window=Window(4, 5),  # as the warnings of what it measures, which nobody is sent while this is told
        section=Section.HIGH_ERROR_RATE,
        cause="its schedule is off, or the account's Lambda concurrency is used up",
        line=1,
        worse="below",
        missing="breaching",
    ),
    Failure(
        slug="notify-errors",
        title="The notify function fails: alarms reach people late or not at all",
        signal=_of_function("notify", "Errors"),
        window=Window(3, 5),
        section=Section.KEY_METRICS,
        cause=_LOG,
        severity="P1",
        direct=True,
    ),
    Failure(
        slug="notify-silent",
        title="The notify function does not run: alarms reach nobody",
        signal=_of_function("notify", "Invocations"),
        window=Window(5, 5),
        section=Section.KEY_METRICS,
        cause="its schedule is off, or the account's Lambda concurrency is used up",
        severity="P1",
        line=1,
        worse="below",
        missing="breaching",
        direct=True,
    ),
    Failure(
        slug="sentry-blind",
        title="The row of Sentry's errors is blind",
        signal=Signal(OWN, "SentryErrors", ("Environment",), "SampleCount"),
        window=Window(5, 5),
        section=Section.SENTRY,
        cause="Sentry, its rate limit or the token: the log of the function sentry says which",
        severity="P3",
        level="warning",
        line=1,
        worse="below",
        missing="breaching",
        needs="sentry",
    ),
)
