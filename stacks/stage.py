"""The stage of one environment: its stacks, each after those that it depends on."""

import aws_cdk as cdk
from constructs import Construct

from stacks import policy
from stacks.backend import Backend, Registry
from stacks.cache import Cache
from stacks.database import Database
from stacks.environment import Environment
from stacks.frontend import Frontend
from stacks.load_balancer import LoadBalancer
from stacks.monitoring import Monitoring
from stacks.network import Network
from stacks.procedures import Procedures
from stacks.remediation import Remediation


class EnvironmentStage(cdk.Stage):
    """Everything of one environment. `acknowledged=False` leaves the policy findings bare, for the test that holds them
    against the acknowledgements."""

    def __init__(self, scope: Construct, environment: Environment, *, acknowledged: bool = True) -> None:
        super().__init__(scope, environment.name)
        self.network = Network(self, environment)
        self.database = Database(self, environment, self.network)
        self.cache = Cache(self, environment, self.network)
        self.load_balancer = LoadBalancer(self, environment, self.network)
        self.registry = Registry(self, environment)
        self.remediation = Remediation(self, environment)
        self.monitoring = Monitoring(self, environment, self.network, self.load_balancer, self.remediation)
        self.backend = Backend(self, environment, self.network, self.load_balancer, self.database, self.cache, self.registry)
        self.backend.add_stack_dependency(self.monitoring)  # the service names its deployment alarms: they have to exist
        self.frontend = Frontend(self, environment)
        self.procedures = Procedures(self, environment, self.remediation)
        for acted_on in (self.backend, self.frontend):
            self.procedures.add_stack_dependency(acted_on)

        stacks = [child for child in self.node.children if isinstance(child, cdk.Stack)]
        if acknowledged:
            policy.acknowledge(environment, stacks)
