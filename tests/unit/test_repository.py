"""What a public repository has: a licence, a changelog, and continuous integration that runs only what was chosen."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda file: file.name)
def test_an_action_is_taken_by_commit_with_its_version_beside_it(workflow: Path) -> None:
    used = re.findall(r"uses: *(.*)", workflow.read_text())
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []


def test_an_action_is_the_same_everywhere() -> None:
    used = {
        action for file in (ROOT / ".github/workflows").glob("*.yml") for action in re.findall(r"uses: *(.*)", file.read_text())
    }
    assert len(used) == len({action.partition("@")[0] for action in used})


def test_the_licence_is_the_one_that_the_project_names() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "[yyyy]" not in text


def test_updates_are_asked_for_wherever_there_are_dependencies() -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "npm", "pip"}
    ignored = {entry["dependency-name"] for update in updates for entry in update.get("ignore", ())}
    package = json.loads((ROOT / "package.json").read_text())
    named = {re.split(r"[=>\[]", line)[0] for line in PROJECT["dependencies"]} | {*package["devDependencies"]} | {"botocore"}
    assert ignored <= named


def test_the_changelog_has_the_sections_of_keep_a_changelog() -> None:
    headings = re.findall(r"^##+ (.*)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert [
        heading for heading in headings if heading not in kinds and not re.match(r"\[(Unreleased|\d+\.\d+\.\d+)\]", heading)
    ] == []
