"""The settings of `sentry`."""

from lambdas.common.settings import Name, Origin, Settings


class SentrySettings(Settings):
    """Whose errors `sentry` counts, and where its token is."""

    url: Origin
    organization: Name
    project: Name
    token_secret: Name
    namespace: Name
