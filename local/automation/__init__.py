"""Systems Manager Automation: reads, checks and runs documents of schema 0.3, without any AWS client."""

from local.automation.checks import problems
from local.automation.reading import Problem

__all__ = ["Problem", "problems"]
