"""The settings of `releases`."""

from lambdas.common.settings import Name, Settings, Topic


class ReleasesSettings(Settings):
    """What `releases` reads and writes."""

    cluster: Name
    service: Name
    container: Name
    image_parameter: Name
    outcomes_topic: Topic
