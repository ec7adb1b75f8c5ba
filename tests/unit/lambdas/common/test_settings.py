"""A function says at its first breath which of its environment variables are missing or wrong."""

from types import ModuleType, SimpleNamespace

import pytest

from lambdas.common.settings import Settings, SettingsError, read
from lambdas.diagnose import handler as diagnose
from lambdas.health_check import handler as health_check
from lambdas.health_check.settings import HealthCheckSettings, HealthReport
from lambdas.incident_page import handler as incident_page
from lambdas.notify import handler as notify
from lambdas.notify.settings import NotifySettings
from lambdas.releases import handler as releases
from lambdas.rollback import handler as rollback
from lambdas.rollback.settings import RollbackSettings
from lambdas.sentry import handler as sentry
from lambdas.sentry.settings import SentrySettings
from runbook.failures import FAILURES
from stacks.functions import incident_page as of_incident_page
from tests.environments import STAGING

from ..diagnose.aws import SETTINGS as DIAGNOSE
from ..world import NOTIFY, RELEASES, ROLLBACK

HEALTH_CHECK = HealthCheckSettings(
    environment=STAGING.name,
    api_url=STAGING.api_url,
    health_check_path=STAGING.backend.health_check_path,
    health_report=HealthReport(status="status", healthy="healthy", database="services.database", connected="connected"),
    frontend_url=STAGING.frontend_url,
    namespace=STAGING.application.metrics_namespace,
)
SENTRY = SentrySettings(
    environment=STAGING.name,
    url="https://sentry.io",
    organization="an-organization",
    project="a-project",
    token_secret="a-secret",
    namespace=STAGING.application.metrics_namespace,
)
INCIDENT_PAGE = of_incident_page.settings(STAGING)
WITH_LINES = NOTIFY.model_copy(update={"lines": {"ecs-cpu": {"warning": 72.5, "critical": 86.0}}})


@pytest.mark.parametrize(
    "settings", [ROLLBACK, NOTIFY, WITH_LINES, HEALTH_CHECK, SENTRY, INCIDENT_PAGE], ids=lambda one: type(one).__name__
)
def test_settings_are_read_from_their_variables(settings: Settings) -> None:
    assert read(type(settings), settings.variables() | {"SOMETHING_ELSE": "is not read"}) == settings


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError) as raised:
        read(RollbackSettings, {"MODE": "on"})
    for name in ROLLBACK.variables().keys() - {"MODE"}:
        assert f"{name} is missing" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "perhaps"),
        ("CLUSTER", ""),
        ("OUTCOMES_TOPIC", "hz-navigator-production-outcomes"),
        ("RETENTION_DAYS", "a year"),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "-1"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} = '{value}' is wrong"):
        read(RollbackSettings, ROLLBACK.variables() | {name: value})


@pytest.mark.parametrize("value", ["not JSON", '{"ecs-cpu": 70}'])
def test_lines_that_cannot_be_read_are_named(value: str) -> None:
    with pytest.raises(SettingsError, match="LINES"):
        read(NotifySettings, NOTIFY.variables() | {"LINES": value})


@pytest.mark.parametrize("value", ["not JSON", '{"status": "status"}'])
def test_a_health_report_that_cannot_be_read_is_named(value: str) -> None:
    with pytest.raises(SettingsError, match="HEALTH_REPORT"):
        read(HealthCheckSettings, HEALTH_CHECK.variables() | {"HEALTH_REPORT": value})


@pytest.mark.parametrize("name", ["API_URL", "FRONTEND_URL"])
@pytest.mark.parametrize("value", ["http://plain.hz-navigator.com", "https://host/with/path", "api.hz-navigator.com"])
def test_probes_only_go_to_https_origins(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} = '{value}' is wrong"):
        read(HealthCheckSettings, HEALTH_CHECK.variables() | {name: value})


def test_settings_never_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        HEALTH_CHECK.environment = "production"  # type: ignore[misc]


# A function that is started without one

STARTED: dict[ModuleType, Settings] = {
    diagnose: DIAGNOSE,
    health_check: HEALTH_CHECK,
    incident_page: INCIDENT_PAGE,
    notify: NOTIFY,
    releases: RELEASES,
    rollback: ROLLBACK,
    sentry: SENTRY,
}


@pytest.mark.parametrize("handler", STARTED, ids=lambda one: one.__name__)
def test_a_function_without_a_variable_fails_each_time_and_names_it(
    handler: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda logs the error; the alarm on the function's errors calls somebody, who looks at its log."""
    variables = STARTED[handler].variables()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    missing = max(variables)
    monkeypatch.delenv(missing)
    for _ in range(2):
        handler._function.cache_clear()
        with pytest.raises(SettingsError, match=f"{missing} is missing"):
            handler.handle({}, SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000))


def test_of_every_function_that_runs_by_itself_and_fails_each_time_an_alarm_tells() -> None:
    told = {one.function for one in FAILURES if one.signal.metric == "Errors" or one.missing == "breaching"}
    assert told == {"rollback", "releases", "health-check", "notify", "diagnose", "sentry"}
