"""The runbook's threshold table as alarms and a dashboard, and the composite alarm that the rollback function hangs on."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.base import EnvironmentStack
from stacks.dashboard import Dashboard
from stacks.environment import Environment
from stacks.load_balancer import LoadBalancer
from stacks.metrics import Metrics
from stacks.remediation import Remediation
from stacks.thresholds import FAILURES, LEVELS, RESPONSE_TIMES, Failure, Level, Row, Window

_MISSING = {
    "missing": cloudwatch.TreatMissingData.MISSING,
    "ignore": cloudwatch.TreatMissingData.IGNORE,
    "breaching": cloudwatch.TreatMissingData.BREACHING,
    "notBreaching": cloudwatch.TreatMissingData.NOT_BREACHING,
}
_PAST = {
    "above": cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    "below": cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
}


class Monitoring(EnvironmentStack):
    """Two alarms a row of the table, the composite alarm, alarms on our own functions, and the dashboard."""

    def __init__(self, scope: Construct, settings: Environment, load_balancer: LoadBalancer, remediation: Remediation) -> None:
        super().__init__(scope, "monitoring", settings, "the alarms of the threshold table and the dashboard")
        self._metrics = Metrics(settings, load_balancer)
        self._topics = {"warning": remediation.outcomes, "critical": remediation.escalations}
        alarms = {(row.slug, level): self._row_alarm(row, level) for row in settings.table for level in LEVELS}
        failures = [self._failure_alarm(failure) for failure in FAILURES]

        impaired = cloudwatch.CompositeAlarm(
            self,
            "ServiceImpaired",
            composite_alarm_name=settings.service_impaired_alarm,
            alarm_description="The service is bad for users: a bad release is rolled back. Runbook section 4.1",
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(alarms[row.slug, "critical"] for row in settings.table if row.impairs_service)
            ),
        )
        # Imported, so that the permission for this one alarm stands in this stack: in the function's own it would make a cycle.
        rollback = lambda_.Function.from_function_attributes(
            self, "Rollback", function_arn=remediation.rollback.function_arn, same_environment=True
        )
        impaired.add_alarm_action(actions.LambdaAction(rollback))
        impaired.add_ok_action(actions.LambdaAction(rollback))

        Dashboard(self, "Dashboard", settings, self._metrics, composites=[impaired], alarms=alarms, failures=failures)

    def _row_alarm(self, row: Row, level: Level) -> cloudwatch.Alarm:
        at = row.at(level)
        past, normal = ("over", "up to") if row.worse == "above" else ("under", "from")
        return self._alarm(
            row.slug,
            level,
            f"{row.title} {past} {row.line(level):g} {row.unit}, normal is {normal} {row.normal:g}",
            row.severity[at],
            row.section,
            row.windows[at],
            metric=self._metrics.of_row(row),
            threshold=row.line(level),
            comparison_operator=_PAST[row.worse],
            treat_missing_data=_MISSING[row.missing[at]],
        )

    def _failure_alarm(self, failure: Failure) -> cloudwatch.Alarm:
        return self._alarm(
            failure.slug,
            "critical",
            failure.title,
            failure.severity,
            failure.section,
            failure.window,
            metric=cloudwatch.Metric(
                namespace="AWS/Lambda",
                metric_name=failure.metric,
                dimensions_map={"FunctionName": self.settings.function(failure.function)},
                statistic="Sum",
                period=cdk.Duration.minutes(1),
            ),
            threshold=failure.line,
            comparison_operator=_PAST["above"],
            treat_missing_data=_MISSING["notBreaching"],
        )

    def _alarm(
        self, slug: str, level: Level, what: str, severity: str, section: str, window: Window, **watched: Any
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            f"{slug}-{level}",
            alarm_name=self.settings.alarm(slug, level),
            alarm_description=f"{what}. {severity}: respond within {RESPONSE_TIMES[severity]}. Runbook section {section}",
            datapoints_to_alarm=window.breaching,
            evaluation_periods=window.periods,
            **watched,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topics[level]))
        return alarm
