"""A function says at its first breath which of its environment variables are missing or wrong."""

import pytest

from lambdas.common.settings import HealthCheckSettings, NotifySettings, RollbackSettings, SettingsError, read

from .world import NOTIFY_VARIABLES, VARIABLES

PROBES = {
    "ENVIRONMENT": "staging",
    "API_URL": "https://api.staging.hz-navigator.com",
    "HEALTH_CHECK_PATH": "/api/v1/health",
    "FRONTEND_URL": "https://app.staging.hz-navigator.com",
    "NAMESPACE": "HZNavigator",
}


def test_settings_are_read_from_their_variables() -> None:
    settings = read(RollbackSettings, VARIABLES | {"SOMETHING_ELSE": "is not read"})
    assert settings.service == VARIABLES["SERVICE"]
    assert settings.dependency_alarms == tuple(VARIABLES["DEPENDENCY_ALARMS"].split(","))
    assert settings.budget == 2


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError) as told:
        read(RollbackSettings, {"MODE": "on"})
    for name in VARIABLES.keys() - {"MODE"}:
        assert f"{name} is missing" in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "perhaps"),
        ("CLUSTER", ""),
        ("OUTCOMES_TOPIC", "hz-navigator-production-outcomes"),
        ("SUSPECT_WINDOW_MINUTES", "an hour"),
        ("SUSPECT_WINDOW_MINUTES", "0"),
        ("BUDGET", "-1"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} = '{value}' is wrong"):
        read(RollbackSettings, VARIABLES | {name: value})


@pytest.mark.parametrize("value", ["not JSON", '{"a-page": {"rows": []}}'])
def test_pages_that_cannot_be_read_are_named(value: str) -> None:
    with pytest.raises(SettingsError, match="PAGES"):
        read(NotifySettings, NOTIFY_VARIABLES | {"PAGES": value})


@pytest.mark.parametrize("name", ["API_URL", "FRONTEND_URL"])
@pytest.mark.parametrize("value", ["http://plain.hz-navigator.com", "https://host/with/path", "api.hz-navigator.com"])
def test_probes_only_go_to_https_origins(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} = '{value}' is wrong"):
        read(HealthCheckSettings, PROBES | {name: value})


def test_settings_never_change() -> None:
    settings = read(HealthCheckSettings, PROBES)
    with pytest.raises(ValueError, match="frozen"):
        settings.environment = "production"
