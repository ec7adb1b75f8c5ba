"""The pages of `docs/` that are generated: `python -m local.documents.pages` writes them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from local.documents import on_call, post_mortem, procedures, runbook
from stacks.config import CONFIG, ConfigError, load_all
from stacks.environment import Environment

DOCS = Path(__file__).parents[2] / "docs"


def generated(environments: Sequence[Environment], docs: Path = DOCS) -> dict[Path, str]:
    """The text of each generated page by its file: those of `production`, or of the first environment where there is none, and
    the runbooks of other environments that `make runbook` has written."""
    shown = next((environment for environment in environments if environment.name == "production"), environments[0])
    others = {docs / f"runbook-{environment.name}.md": environment for environment in environments}
    return {
        docs / "runbook.md": runbook.render(shown, environments),
        docs / "on-call.md": on_call.render(shown),
        docs / "procedures.md": procedures.render(shown),
        docs / "post-mortem.md": post_mortem.render(shown),
        docs / "incident.md": post_mortem.render_incident(shown),
        **{file: runbook.render(environment, environments) for file, environment in others.items() if file.exists()},
    }


def stale(folder: Path = CONFIG, docs: Path = DOCS) -> list[Path]:
    """The files that are missing, or differ from what the folder's environments make of them."""
    pages = generated(load_all(folder), docs)
    return [file for file, text in pages.items() if not file.exists() or file.read_text(encoding="utf-8") != text]


def main(folder: Path = CONFIG, docs: Path = DOCS) -> int:
    """Write the pages of a folder's environments; 1 after a sentence that says what is wrong."""
    try:
        pages = generated(load_all(folder), docs)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    for file, text in pages.items():
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
