"""Who is on call and starts procedures, as the page for on-call says."""

import json
from collections.abc import Mapping
from typing import Any

from local.cloud import Cloud

_OVER = ("Success", "Failed", "TimedOut", "Cancelled", "Rejected")


class Operator:
    """Starts the procedures of an environment, and reads how they end."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._ssm = cloud.client("ssm")

    def start(self, procedure: str, *, dry_run: bool = False, reason: str = "A drill", **inputs: str) -> str:
        """The id of an execution; it has come as far as it comes without time passing."""
        given = {"DryRun": str(dry_run).lower(), "Reason": reason, **inputs}
        answer = self._ssm.start_automation_execution(
            DocumentName=self._cloud.environment.document(procedure),
            Parameters={name: [value] for name, value in given.items()},
        )
        self._cloud.wait_until_idle(120)
        return str(answer["AutomationExecutionId"])

    def over(self, execution: str) -> bool:
        """Whether it has ended, well or not."""
        return self.status(execution) in _OVER

    def status(self, execution: str) -> str:
        return str(self._execution(execution)["AutomationExecutionStatus"])

    def said(self, execution: str) -> Mapping[str, str]:
        """What its steps said so far, by the names of those whose answers are outputs."""
        answers = {name.partition(".")[0]: values[0] for name, values in self._execution(execution)["Outputs"].items()}
        return {step: json.loads(answer)["said"] for step, answer in answers.items() if answer.startswith("{")}

    def _execution(self, execution: str) -> Any:
        return self._ssm.get_automation_execution(AutomationExecutionId=execution)["AutomationExecution"]
