"""The runbook's threshold table as alarms and a dashboard: what calls people, and what the rollback function hangs on."""

from collections.abc import Mapping
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
from stacks.thresholds import LEVELS, OWN_NAMESPACE, PAGES, Failure, Level, Page, Row, Window, description

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
    """Two alarms a row of the table, the pages and the rollback's over them, alarms on our own functions, the dashboard."""

    def __init__(self, scope: Construct, settings: Environment, load_balancer: LoadBalancer, remediation: Remediation) -> None:
        super().__init__(scope, "monitoring", settings, "the alarms of the threshold table and the dashboard")
        self._metrics = Metrics(settings, load_balancer)
        self._remediation = remediation
        alarms = {(row.slug, level): self._row_alarm(row, level) for row in settings.table for level in LEVELS}
        failures = [self._failure_alarm(failure) for failure in settings.failures]
        pages: dict[str, cloudwatch.CompositeAlarm] = {}
        for page in PAGES:
            pages[page.slug] = self._page(page, alarms, pages)
        maintenance = self._maintenance()

        impaired = cloudwatch.CompositeAlarm(
            self,
            "ServiceImpaired",
            composite_alarm_name=settings.service_impaired_alarm,
            alarm_description="The service is bad for users: a bad release is rolled back. Runbook section 4.1",
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(alarms[row.slug, "critical"] for row in settings.table if row.impairs_service)
            ),
            actions_suppressor=maintenance,
            actions_suppressor_wait_period=cdk.Duration.seconds(10),  # a rollback does not wait longer for what is rare
            actions_suppressor_extension_period=cdk.Duration.minutes(1),
        )
        # Imported, so that the permission for this one alarm stands in this stack: in the function's own it would make a cycle.
        rollback = lambda_.Function.from_function_attributes(
            self, "Rollback", function_arn=remediation.rollback.function_arn, same_environment=True
        )
        impaired.add_alarm_action(actions.LambdaAction(rollback))
        impaired.add_ok_action(actions.LambdaAction(rollback))

        Dashboard(
            self,
            "Dashboard",
            settings,
            self._metrics,
            states={"Service": [impaired, *pages.values(), maintenance]},
            alarms=alarms,
            failures=failures,
        )

    def _row_alarm(self, row: Row, level: Level) -> cloudwatch.Alarm:
        """A critical alarm calls people through the page that it is part of, a warning by itself."""
        at = row.at(level)
        past, normal = ("over", "up to") if row.worse == "above" else ("under", "from")
        alarm = self._alarm(
            self.settings.alarm(row.slug, level),
            description(
                f"{row.title} {past} {row.line(level):g} {row.unit}, normal is {normal} {row.normal:g}",
                row.cause,
                row.severity[at],
                row.section,
            ),
            row.windows[at],
            metric=self._metrics.of_row(row),
            threshold=row.line(level),
            comparison_operator=_PAST[row.worse],
            treat_missing_data=_MISSING[row.missing[at]],
        )
        if level == "warning":
            self._tell(alarm)
        else:
            self._wake(alarm)
        return alarm

    def _failure_alarm(self, failure: Failure) -> cloudwatch.Alarm:
        alarm = self._alarm(
            self.settings.alarm(failure.slug, failure.level),
            description(failure.title, failure.cause, failure.severity, failure.section),
            failure.window,
            metric=self._metrics.of_failure(failure),
            threshold=failure.line,
            comparison_operator=_PAST[failure.worse],
            treat_missing_data=_MISSING[failure.missing],
        )
        if failure.direct:  # its end is for whoever mended it to see: told by itself, it would also be told at each deploy
            alarm.add_alarm_action(actions.SnsAction(self._remediation.on_call[failure.severity]))
        else:
            self._tell(alarm)
        return alarm

    def _page(
        self,
        page: Page,
        alarms: Mapping[tuple[str, Level], cloudwatch.IAlarm],
        pages: Mapping[str, cloudwatch.IAlarm],
    ) -> cloudwatch.CompositeAlarm:
        rule = cloudwatch.AlarmRule.any_of(*(alarms[slug, "critical"] for slug in page.rows))
        if page.unless:
            explained = cloudwatch.AlarmRule.any_of(*(pages[slug] for slug in page.unless))
            rule = cloudwatch.AlarmRule.all_of(rule, cloudwatch.AlarmRule.not_(explained))
        alarm = cloudwatch.CompositeAlarm(
            self,
            page.slug,
            composite_alarm_name=self.settings.page(page.slug),
            alarm_description=description(page.title, page.cause, page.severity, page.section),
            alarm_rule=rule,
        )
        self._tell(alarm)
        return alarm

    def _maintenance(self) -> cloudwatch.Alarm:
        """Set by hand, and it stays as it was set: nobody publishes its metric, and missing data is ignored."""
        alarm = self._alarm(
            self.settings.maintenance_alarm,
            "Maintenance: nobody is called and nothing is rolled back while this is in ALARM. Set by hand, ends by itself",
            Window(1, 1),
            metric=cloudwatch.Metric(
                namespace=OWN_NAMESPACE,
                metric_name="Maintenance",
                dimensions_map={"Environment": self.settings.name},
                period=cdk.Duration.minutes(1),
            ),
            threshold=0,
            comparison_operator=_PAST["above"],
            treat_missing_data=_MISSING["ignore"],
        )
        self._wake(alarm)
        return alarm

    def _alarm(self, name: str, words: str, window: Window, *, metric: cloudwatch.IMetric, **watched: Any) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            name.removeprefix(f"{self.settings.prefix}-"),
            alarm_name=name,
            alarm_description=words,
            datapoints_to_alarm=window.breaching,
            evaluation_periods=window.periods,
            metric=metric,
            **watched,
        )

    def _tell(self, alarm: cloudwatch.AlarmBase) -> None:
        """When it fires and when it ends. To `notify` the first also says that people are to hear of it."""
        alarm.add_alarm_action(actions.SnsAction(self._remediation.alarms))
        alarm.add_ok_action(actions.SnsAction(self._remediation.alarms))

    def _wake(self, alarm: cloudwatch.AlarmBase) -> None:
        """Its end may end, or uncover, something else: `notify` looks at once, not at the next minute."""
        alarm.add_ok_action(actions.SnsAction(self._remediation.alarms))
