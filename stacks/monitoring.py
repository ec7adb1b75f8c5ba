from stacks.base import EnvironmentStack


class Monitoring(EnvironmentStack):
    def __init__(self, scope, settings, load_balancer, remediation) -> None:
        super().__init__(scope, "monitoring", settings, "alarms")
