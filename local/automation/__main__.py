"""`python -m local.automation FILE`: what is wrong with an Automation document."""

import sys
from pathlib import Path

from local.automation.checks import problems
from local.automation.reading import MOST_BYTES, Problem, UnreadableError, decoded, printable


def main(arguments: list[str]) -> int:
    """Print each problem of a file with its place. The status is 1 when there is any, 2 when no file is named."""
    if len(arguments) != 1 or not arguments[0]:
        print("name one file: make check-document FILE=document.yaml", file=sys.stderr)
        return 2
    name = printable(arguments[0])
    found = checked(Path(arguments[0]))
    for problem in found:
        print(f"{name}: {problem}")
    if not found:
        print(f"{name}: no problem found")
    return 1 if found else 0


def checked(path: Path) -> list[Problem]:
    """The problems of a file, which may be anything."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            return [Problem("", None, "this is no file")]
        with path.open("rb") as file:
            return problems(decoded(file.read(MOST_BYTES + 1)))
    except (OSError, ValueError) as error:
        sentence = (
            str(error) if isinstance(error, UnreadableError) else f"this cannot be read: {getattr(error, 'strerror', error)}"
        )
        return [Problem("", None, sentence)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
