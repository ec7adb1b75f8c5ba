from stacks.base import EnvironmentStack


class LoadBalancer(EnvironmentStack):
    def __init__(self, scope, settings, network) -> None:
        super().__init__(scope, "load-balancer", settings, "the load balancer")
