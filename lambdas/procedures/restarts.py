"""A rolling restart of the service: new tasks of the same definition, which read the secrets anew."""

from typing import TYPE_CHECKING

from lambdas.common.ecs import ROLLING_BACK, RUNNING, deployments
from lambdas.procedures.run import Answer, Run, VerifyError, waiting
from lambdas.procedures.stores import StoresSettings

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient


class Restarts:
    """Restarts one service."""

    def __init__(self, settings: StoresSettings, ecs: "ECSClient") -> None:
        self._settings = settings
        self._ecs = ecs

    def begin(self, _: Run) -> Answer:
        """Start a deployment of what the service runs; another one in place of it, when this is called again."""
        self._ecs.update_service(cluster=self._settings.cluster, service=self._settings.service, forceNewDeployment=True)
        return {"said": f"{self._settings.service} is being restarted, a task at a time."}

    def wait(self, _: Run) -> Answer:
        """Wait for the newest deployment; VerifyError when it did not succeed."""
        found = deployments(self._ecs, self._settings.cluster, self._settings.service)
        status = found[0]["status"] if found else "gone"
        if status in RUNNING or status in ROLLING_BACK:
            return waiting(f"The deployment of {self._settings.service} is {status}.")
        if status != "SUCCESSFUL":
            raise VerifyError(f"The deployment of {self._settings.service} is {status}.")
        return {"said": f"{self._settings.service} is restarted."}
