"""What runs on a person's machine. Ctrl-C ends any of its commands with one line, even while it still imports."""

import os
import sys
from types import TracebackType


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    elif "MAKELEVEL" not in os.environ:  # make says so itself
        print("\nInterrupted.", file=sys.stderr)


sys.excepthook = _report
