"""What a message gives a person to paste, pasted on what `cdk deploy` made."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import Cloud
from runbook.pages import PAGES
from tests.environments import PRODUCTION
from tests.local.shell import Shell
from tests.unit.lambdas.notify.test_messages import message, page, part

SHOWS = {
    "database-down": r'^"available"$',
    "service-down": r'"rolloutState": "\w+"',
    "frontend-down": r"^200$",
    "database-impaired": r'"Label": "DatabaseConnections"',
    "cache-impaired": r'^"available"$',
    "service-unsteady": r'"message": "\(service ',
    "database-credits": r'"Label": "CPUCreditBalance"',
    "certificate-expires": r"^\[\s+\".*\",\s+\"arn:aws:acm:",
    "service-degraded": r'"status": "ACTIVE",\s+"running": \d+,\s+"desired": \d+',
}
"""What each page's first command shows."""


@pytest.fixture
def shell(cloud: Cloud, tmp_path: Path) -> Iterator[Shell]:
    with Shell(cloud, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("slug", [one.slug for one in PAGES])
def test_the_first_command_works_as_printed(slug: str, shell: Shell) -> None:
    output = shell.run(part(message(page(slug)), "First command"))
    assert re.search(SHOWS[slug], output, re.MULTILINE), output


def test_the_command_that_silences_works_as_printed(shell: Shell, cloud: Cloud) -> None:
    shell.run(part(message(page("database-down")), "Silence it for 60 min"))
    found = cloud.client("cloudwatch").list_alarm_mute_rules(AlarmName=PRODUCTION.page("database-down"))
    assert len(found["AlarmMuteRuleSummaries"]) == 1
