"""The generated pages of `docs/`: which there are, and that the committed ones are up to date."""

from pathlib import Path

from local.documents import on_call, pages, post_mortem, procedures, runbook
from stacks.config import load_all
from tests.environments import CONFIG, ENVIRONMENTS, PRODUCTION, STAGING, VARIANTS, VARIANTS_CONFIG


def test_the_committed_pages_are_up_to_date() -> None:
    """The one test that reads the shipped `config/`: the pages have to say what is deployed."""
    found = [f"{file.parent.name}/{file.name}" for file in pages.stale()]
    assert not found, f"{', '.join(found)} {'is' if len(found) == 1 else 'are'} stale: run `make docs`"


def test_they_are_those_of_production(tmp_path: Path) -> None:
    environments = load_all(CONFIG)
    assert pages.generated(environments, tmp_path) == {
        tmp_path / "runbook.md": runbook.render(PRODUCTION, environments),
        tmp_path / "on-call.md": on_call.render(PRODUCTION),
        tmp_path / "procedures.md": procedures.render(PRODUCTION),
        tmp_path / "post-mortem.md": post_mortem.render(PRODUCTION),
        tmp_path / "incident.md": post_mortem.render_incident(PRODUCTION),
    }


def test_without_production_they_are_those_of_the_first_environment(tmp_path: Path) -> None:
    environments = load_all(VARIANTS_CONFIG)
    assert pages.generated(environments, tmp_path)[tmp_path / "on-call.md"] == on_call.render(VARIANTS["certificates"])


def test_another_environments_runbook_is_kept_up_to_date_once_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "runbook-staging.md").write_text("as it was")
    written = pages.generated(load_all(CONFIG), tmp_path)
    assert written[tmp_path / "runbook-staging.md"] == runbook.render(STAGING, tuple(ENVIRONMENTS.values()))


def test_what_is_missing_or_differs_is_stale_until_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "on-call.md").write_text("as it was")
    assert pages.stale(CONFIG, tmp_path) == [
        tmp_path / f"{name}.md" for name in ("runbook", "on-call", "procedures", "post-mortem", "incident")
    ]
    assert pages.main(CONFIG, tmp_path) == 0
    assert pages.stale(CONFIG, tmp_path) == []
