from stacks.base import EnvironmentStack


class Remediation(EnvironmentStack):
    def __init__(self, scope, settings) -> None:
        super().__init__(scope, "remediation", settings, "the functions")
