"""The runbook's threshold table as alarms and a dashboard: what notifies people, and what invokes `rollback`."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from runbook.alarms import NOT_ARMED_DESCRIPTION, SPELLS, alarm_name, descriptions
from runbook.failures import Failure
from runbook.pages import Page
from runbook.rows import LEVELS, Level, Row, Window
from runbook.sections import Section
from stacks.base import EnvironmentStack
from stacks.dashboard import Dashboard
from stacks.environment import Environment
from stacks.load_balancer import LoadBalancer
from stacks.metrics import Metrics
from stacks.network import Network
from stacks.remediation import Remediation

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
    """The alarms of the table's rows, the pages and the rollback's over them, alarms on our own functions, the dashboard."""

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        network: Network,
        load_balancer: LoadBalancer,
        remediation: Remediation,
    ) -> None:
        super().__init__(scope, "monitoring", environment, "the alarms of the threshold table and the dashboard")
        self._metrics = Metrics(environment, network, load_balancer)
        self._topics = remediation.topics
        self._spells: dict[str, list[cloudwatch.Alarm]] = {}
        self._to_notify = actions.SnsAction(remediation.topics.alarms)
        self._descriptions = descriptions(environment.table)
        maintenance = self._switch(
            "maintenance",
            environment.maintenance_alarm,
            "Maintenance: nobody is called and nothing is rolled back while this is in ALARM. Set by hand, ends by itself",
            begins=False,
        )
        self._notify_when_over(maintenance)
        # Its definition has nothing that changes: an update would set it to its rule, and mute an incident for a minute.
        self._not_armed = self._switch("not-armed", environment.not_armed_alarm, str(NOT_ARMED_DESCRIPTION), begins=True)
        self._notify_both_ways(self._not_armed)
        alarms = {(row.slug, level): self._row_alarm(row, level) for row in environment.table for level in LEVELS}
        recurring = {row.slug: self._recurring(row) for row in environment.table if row.recurs}
        failures = [alarm for failure in environment.failures for alarm in self._failure_alarms(failure)]
        pages: dict[str, cloudwatch.CompositeAlarm] = {}
        for page in environment.pages:
            pages[page.slug] = self._page(page, alarms, recurring, pages)
        affected = cloudwatch.AlarmRule.any_of(
            *(alarms[row.slug, "critical"] for row in environment.table if row.users_affected)
        )
        impaired = cloudwatch.CompositeAlarm(
            self,
            "ServiceImpaired",
            composite_alarm_name=environment.service_impaired_alarm,
            alarm_description=f"Users are affected: a bad release is rolled back. Runbook section {Section.BACKEND_ROLLBACK}",
            alarm_rule=self._once_armed(affected),
            actions_suppressor=maintenance,
            actions_suppressor_wait_period=cdk.Duration.seconds(10),  # a rollback does not wait longer for what is rare
            actions_suppressor_extension_period=cdk.Duration.minutes(1),
        )
        # Imported, so that the permission for this one alarm is in this stack: in the function's own it would make a cycle.
        rollback = lambda_.Function.from_function_attributes(
            self, "Rollback", function_arn=remediation.rollback.function_arn, same_environment=True
        )
        impaired.add_alarm_action(actions.LambdaAction(rollback))
        impaired.add_ok_action(actions.LambdaAction(rollback))

        Dashboard(
            self,
            "Dashboard",
            environment,
            self._metrics,
            states={"Service": [impaired, *pages.values(), maintenance, self._not_armed]},
            alarms=alarms,
            spells=self._spells,
            failures=failures,
        )

    def _row_alarm(self, row: Row, level: Level) -> cloudwatch.Alarm:
        """A critical alarm calls people through the page that it is part of, a warning by itself."""
        alarm = self._alarm(
            alarm_name(row.slug, level),
            row.window.at(level),
            metric=self._metrics.of_row(row),
            threshold=row.line(level),
            comparison_operator=_PAST[row.worse],
            treat_missing_data=_MISSING[row.missing.at(level)],
        )
        if level == "warning":
            self._notify_both_ways(alarm)
        else:
            self._notify_when_over(alarm)
        return alarm

    def _recurring(self, row: Row) -> cloudwatch.IAlarmRule:
        """While the row is past its critical line again and again."""
        alarms = [
            self._alarm(
                f"{row.slug}-{name}",
                window,
                metric=self._metrics.of_row(row),
                threshold=row.critical,
                comparison_operator=_PAST[row.worse],
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            for name, window in SPELLS.items()
        ]
        for alarm in alarms:
            self._notify_when_over(alarm)
        self._spells[row.slug] = alarms
        return cloudwatch.AlarmRule.all_of(*alarms)

    def _failure_alarms(self, failure: Failure) -> list[cloudwatch.AlarmBase]:
        alarm = self._alarm(
            alarm_name(failure.slug, failure.level),
            failure.window,
            metric=self._metrics.of_failure(failure),
            threshold=failure.line,
            comparison_operator=_PAST[failure.worse],
            treat_missing_data=_MISSING[failure.missing],
        )
        if not failure.direct:
            self._notify_both_ways(alarm)
            return [alarm]
        found: list[cloudwatch.AlarmBase] = [alarm]
        if failure.missing == "breaching":  # CloudWatch judges a new alarm at once, and its metric has no data yet
            armed = cloudwatch.CompositeAlarm(
                self,
                failure.slug,
                composite_alarm_name=self._environment.page(failure.slug),
                alarm_description=str(self._descriptions[alarm_name(failure.slug, failure.level)]),
                alarm_rule=self._once_armed(cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM)),
            )
            found.append(armed)
            self._notify_when_over(alarm)
        # Its end is for whoever repaired it to see: an OK action would also run at each deploy.
        found[-1].add_alarm_action(actions.SnsAction(self._topics.on_call[failure.severity]))
        return found

    def _once_armed(self, rule: cloudwatch.IAlarmRule) -> cloudwatch.IAlarmRule:
        """The rule, once there is something to look after."""
        return cloudwatch.AlarmRule.all_of(rule, cloudwatch.AlarmRule.not_(self._not_armed))

    def _page(
        self,
        page: Page,
        alarms: Mapping[tuple[str, Level], cloudwatch.IAlarm],
        recurring: Mapping[str, cloudwatch.IAlarmRule],
        pages: Mapping[str, cloudwatch.IAlarm],
    ) -> cloudwatch.CompositeAlarm:
        critical = (alarms[slug, "critical"] for slug in page.rows if (slug, "critical") in alarms)
        rule = cloudwatch.AlarmRule.any_of(*critical, *(recurring[slug] for slug in page.recurring))
        if page.unless:
            explained = cloudwatch.AlarmRule.any_of(*(pages[slug] for slug in page.unless))
            rule = cloudwatch.AlarmRule.all_of(rule, cloudwatch.AlarmRule.not_(explained))
        alarm = cloudwatch.CompositeAlarm(
            self,
            page.slug,
            composite_alarm_name=self._environment.page(page.slug),
            alarm_description=str(self._descriptions[page.slug]),
            alarm_rule=rule,
        )
        self._notify_both_ways(alarm)
        return alarm

    def _switch(self, construct_id: str, name: str, description: str, *, begins: bool) -> cloudwatch.CompositeAlarm:
        """An alarm that stays as it was set by SetAlarmState: CloudWatch evaluates a composite alarm again only when a child of
        it changes, and this one has none. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html
        """
        return cloudwatch.CompositeAlarm(
            self,
            construct_id,
            composite_alarm_name=name,
            alarm_description=description,
            alarm_rule=cloudwatch.AlarmRule.from_boolean(begins),
        )

    def _alarm(
        self,
        name: str,
        window: Window,
        *,
        metric: cloudwatch.IMetric,
        threshold: float,
        comparison_operator: cloudwatch.ComparisonOperator,
        treat_missing_data: cloudwatch.TreatMissingData,
    ) -> cloudwatch.Alarm:
        """The alarm `name`, below the environment's prefix."""
        return cloudwatch.Alarm(
            self,
            name,
            alarm_name=f"{self._environment.prefix}-{name}",
            alarm_description=str(self._descriptions[name]),
            datapoints_to_alarm=window.breaching,
            evaluation_periods=window.periods,
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison_operator,
            treat_missing_data=treat_missing_data,
        )

    def _notify_both_ways(self, alarm: cloudwatch.AlarmBase) -> None:
        """Invoke `notify` when the alarm fires and when it is over. The first also tells it that this alarm notifies people."""
        alarm.add_alarm_action(self._to_notify)
        self._notify_when_over(alarm)

    def _notify_when_over(self, alarm: cloudwatch.AlarmBase) -> None:
        """Invoke `notify` when the alarm is over, at once and not in its next minute: that may end or uncover something."""
        alarm.add_ok_action(self._to_notify)
