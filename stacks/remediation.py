"""The functions, and what they use: the topics and the table of incidents."""

from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.functions.base import every_minute
from stacks.functions.diagnose import diagnose
from stacks.functions.health_check import health_check
from stacks.functions.incident_page import incident_page
from stacks.functions.notify import acknowledgements, notify
from stacks.functions.postmortem import postmortem
from stacks.functions.releases import releases
from stacks.functions.rollback import rollback
from stacks.functions.sentry import sentry
from stacks.incidents import incidents_bucket, incidents_table, records_table
from stacks.topics import Topics


class Remediation(EnvironmentStack):
    """`topics`, and `rollback`, which the composite alarm of the service invokes.

    Deployed before the resources that the functions look after, so those are known here by name only.
    """

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(
            scope, "remediation", environment, "the functions that alarms call, their topics and the record of incidents"
        )
        self.topics = Topics(self, environment)
        self.incidents = incidents_table(self, environment)
        self.records = records_table(self, environment)
        self.rollback = rollback(self, environment, self.topics, self.incidents, self.records)
        releases(self, environment, self.topics)
        probes = health_check(self, environment, self.topics)
        every_minute(self, "EveryMinute", probes, "Probes the API and the frontend")
        diagnoses = diagnose(self, environment, self.topics, self.records)
        tells = notify(self, environment, self.topics, self.incidents, self.records, diagnoses)
        every_minute(self, "EveryMinuteNotify", tells, "Tells people what is held back, over or still firing")
        self.topics.alarms.add_subscription(subscriptions.LambdaSubscription(tells))
        postmortem(self, environment, self.topics, self.records, incidents_bucket(self, environment))
        if source := environment.contacts.pagerduty_event_source:
            acknowledgements(self, source, tells)
        incident_page(self, environment, self.topics, self.records)
        if environment.sentry:
            counts = sentry(self, environment, self.topics, environment.sentry)
            every_minute(self, "EveryMinuteSentry", counts, "Counts the errors of Sentry's last minute")
