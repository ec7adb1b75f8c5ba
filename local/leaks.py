"""Looks for keys and tokens in what git has or would take: `python -m local.leaks [FILE...]`, a part of `make lint`.

A sample that only looks like one has the comment `pragma: allowlist secret - REASON` on its line.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.slack import SlackDetector

from local.cloud import ROOT


class _Detector(RegexBasedDetector):
    """What the library has no detector for."""

    secret_type = ""
    denylist: tuple[re.Pattern[str], ...] = ()

    def __init__(self, kind: str, *patterns: str) -> None:
        self.secret_type = kind
        self.denylist = tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


DETECTORS = (
    AWSKeyDetector(),
    # By its name, without quotes as well: in a docstring, a shell command or a credentials file.
    _Detector("AWS Secret Access Key", r"secret_?access_?key\W{1,6}([0-9a-z/+]{40})(?![0-9a-z/+])"),
    BasicAuthDetector(),
    GitHubTokenDetector(),
    JwtTokenDetector(),
    # An integration's URL, its key, or a key of the REST API. The keys have no mark but their length.
    _Detector(
        "PagerDuty Key",
        r"pagerduty\.com/integration/(\w{32})\b",
        r"(?:pager_?duty|routing_?key|integration_?key).{0,40}?\b(?=\w*\d)([0-9a-z]{32})\b",
        r"pager_?duty.{0,40}?[\"'\s=](?=[\w+-]*\d)([uey]\+[\w+-]{18})(?![\w+-])",
    ),
    PrivateKeyDetector(),
    _Detector("Sentry Token", r"sntry[a-z]_[\w+/=-]{32,}"),  # https://docs.sentry.io/security-legal-pii/security/token-formats/
    SlackDetector(),
)
_ALLOWED = re.compile(r"(?:#|//|<!--) pragma: allowlist secret(?: - (\S.*))?")


def leaks(file: Path, shown: str) -> Iterator[str]:
    """A sentence for each line that has a key, or a pragma without a reason or a use; none for a file that is no text."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(lines, 1):
        found = sorted({one.type for by in DETECTORS for one in by.analyze_line(shown, line, number)})
        allowed = _ALLOWED.search(line)
        if allowed and not allowed[1]:
            yield f"{shown}:{number}: say why: pragma: allowlist secret - REASON"
        elif allowed and not found:
            yield f"{shown}:{number}: the pragma allows nothing, and should be removed"
        elif found and not allowed:
            yield f"{shown}:{number}: {', '.join(found)}: take it out, and make it invalid where it came from"


def known_to_git() -> Iterator[Path]:
    """What is committed or would be: everything that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return (ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


def main(arguments: Sequence[str]) -> int:
    """1 when a key is found, after a line for each."""
    files: Iterable[Path] = map(Path, arguments) if arguments else known_to_git()
    found = [leak for file in files for leak in leaks(file, str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file))]
    print("\n".join(found) or "No keys in what git has or would take.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
