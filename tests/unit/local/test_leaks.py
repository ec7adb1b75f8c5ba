"""`make lint` refuses keys wherever they stand, with file and line, and samples only with a reason."""

from pathlib import Path

import pytest

from local.leaks import leaks, main

# In parts, or this file would not pass either.
KEYS = {
    "AWS Access Key": "AKIA" + "Q3EGPIRZMT5NJ2XA",
    "AWS Secret Access Key": "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYqz4h8LmNo1",
    "Basic Auth Credentials": "postgresql://hz_admin:" + "s3cr3t-h3r3" + "@db.internal/hz_navigator",
    "GitHub Token": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "PagerDuty Key": "https://events.pagerduty.com/integration/" + "0123456789abcdef" * 2 + "/enqueue",
    "Private Key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "Sentry Token": "sntrys_" + "eyJpYXQiOjE2ODczMzY1NDMuNjk4NTksInVybCI6bnVsbH0=",
    "Slack Token": "xoxb-" + "123456789012-1234567890123-abcDEFghiJKLmnoPQR",
}
MORE = {
    "a PagerDuty key by its name": "pagerduty_routing_key = '" + "0a1b2c3d4e5f6071" * 2 + "'",
    "a PagerDuty key of the REST API": "PAGERDUTY_TOKEN=" + "u+" + "Abcd1234efgh5678ij",
    "a Slack webhook": "https://hooks.slack.com/services/" + "T0123ABCD/B0123ABCD/" + "x9y8z7w6v5u4t3s2r1q0p9o8",
    "a Sentry user token": "sntryu_" + "0123456789abcdef" * 4,
}
FILES = {
    "module.py": '"""A function.\n\nTry it with {} in the environment.\n"""\n',
    "config.toml": "[contacts]\n# for the drill\ntoken = '{}'\n",
    "page.md": "# Page\n\nUse `{}`.\n",
    "script.sh": "#!/bin/sh\nset -eu\nexport TOKEN={}\n",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_is_found_in_any_file(kind: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(FILES[name].format(KEYS[kind]))
    (said,) = leaks(file, name)
    assert said.startswith(f"{name}:3: ")
    assert kind in said


@pytest.mark.parametrize("text", MORE.values(), ids=MORE)
def test_other_forms_of_a_key_are_found(text: str, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(text)
    assert len(list(leaks(file, "page.md"))) == 1


@pytest.mark.parametrize(
    "text",
    [
        'pagerduty_url_secret = "hz-navigator-production-pagerduty-url"',  # a secret's name
        "routing_key = event['routing_key']",
        "--hash=sha256:6bb46dcc553c10df51475641bb30fd69d25645cc12339e46c824c1e0c388898a",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        r'DB_URL=$(echo $SECRET | jq -r \'"postgresql://\(.username):\(.password)@\(.host)"\')',
    ],
)
def test_what_only_names_a_key_is_let_through(text: str, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(text)
    assert list(leaks(file, "page.md")) == []


def test_a_sample_needs_a_reason_and_a_reason_a_sample(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    pragma, sample = "  # pragma: allowlist " + "secret", KEYS["AWS Access Key"]
    file.write_text(f"a = '{sample}'{pragma} - from AWS's documentation\nb = '{sample}'{pragma}\nc = 'nothing'{pragma} - old\n")
    assert list(leaks(file, "module.py")) == [
        "module.py:2: say why: pragma: allowlist secret - REASON",
        "module.py:3: the pragma allows nothing, and should be removed",
    ]


def test_the_command_fails_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"'''{KEYS['AWS Access Key']}'''\n")
    assert main([str(file)]) == 1
    assert f"{file}:1: AWS Access Key: take it out" in capsys.readouterr().out
    file.write_text("'''Nothing.'''\n")
    assert main([str(file)]) == 0


def test_nothing_that_git_has_or_would_take_has_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().out
