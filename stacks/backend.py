from stacks.base import EnvironmentStack


class Registry(EnvironmentStack):
    def __init__(self, scope, settings) -> None:
        super().__init__(scope, "registry", settings, "the image repository")


class Backend(EnvironmentStack):
    def __init__(self, scope, settings, network, load_balancer, database, cache, registry) -> None:
        super().__init__(scope, "backend", settings, "the backend")
