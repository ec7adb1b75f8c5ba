"""The runbook's threshold table as alarms and a dashboard, and the composite alarm that the rollback function hangs on."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.base import EnvironmentStack
from stacks.environment import Environment
from stacks.load_balancer import LoadBalancer
from stacks.remediation import Remediation
from stacks.thresholds import FAILURES, LEVELS, RESPONSE_TIMES, Failure, Level, Row, Signal, Window

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
_GRAPHS_A_LINE = 3
_WIDTH = 24  # of a dashboard, in its grid


class Monitoring(EnvironmentStack):
    """Two alarms a row of the table, the composite alarm, alarms on our own functions, and the dashboard."""

    def __init__(self, scope: Construct, settings: Environment, load_balancer: LoadBalancer, remediation: Remediation) -> None:
        super().__init__(scope, "monitoring", settings, "the alarms of the threshold table and the dashboard")
        self._dimensions: Mapping[str, tuple[str, ...]] = {
            "ClusterName": (settings.cluster,),
            "ServiceName": (settings.service,),
            "DBInstanceIdentifier": (settings.database_instance,),
            "CacheClusterId": settings.cache_nodes,
            "LoadBalancer": (load_balancer.load_balancer.load_balancer_full_name,),
            "TargetGroup": (load_balancer.target_group.target_group_full_name,),
            "Environment": (settings.name,),
        }
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

        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=settings.dashboard)
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Alarms", width=_WIDTH, height=6, alarms=[impaired, *alarms.values(), *failures])
        )
        for start in range(0, len(settings.table), _GRAPHS_A_LINE):
            dashboard.add_widgets(*(self._graph(row) for row in settings.table[start : start + _GRAPHS_A_LINE]))

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
            metric=self._metric(row),
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

    def _metric(self, row: Row) -> cloudwatch.IMetric:
        """What a row watches: its one signal, or its expression over the signals."""
        metrics = {name: metric for signal in row.signals for name, metric in self._metrics(signal, row.period).items()}
        if not row.expression:
            (metric,) = metrics.values()
            return metric
        return cloudwatch.MathExpression(
            expression=row.expression.format(minimum=row.minimum),
            using_metrics=metrics,
            label=row.title,
            period=cdk.Duration.seconds(row.period),
        )

    def _metrics(self, signal: Signal, period: int) -> dict[str, cloudwatch.IMetric]:
        """A signal's metrics by id: one, or one for each value of its dimensions."""
        names, values = [], []
        for dimension in signal.dimensions:
            name, fixed, value = dimension.partition("=")
            names.append(name)
            values.append((value,) if fixed else self._dimensions[name])
        metrics = [
            cloudwatch.Metric(
                namespace=signal.namespace,
                metric_name=signal.metric,
                dimensions_map=dict(zip(names, combination, strict=True)),
                statistic=signal.statistic,
                period=cdk.Duration.seconds(period),
            )
            for combination in product(*values)
        ]
        if len(metrics) == 1:
            return {signal.id: metrics[0]}
        return {f"{signal.id}{number}": metric for number, metric in enumerate(metrics, 1)}

    def _graph(self, row: Row) -> cloudwatch.GraphWidget:
        """A row over time, with its lines: the normal band and the critical one are filled."""
        good, bad = cloudwatch.Shading.BELOW, cloudwatch.Shading.ABOVE
        if row.worse == "below":
            good, bad = bad, good
        lines = (
            ("Normal", row.normal, cloudwatch.Color.GREEN, good),
            ("Warning", row.warning, cloudwatch.Color.ORANGE, cloudwatch.Shading.NONE),
            ("Critical", row.critical, cloudwatch.Color.RED, bad),
        )
        return cloudwatch.GraphWidget(
            title=row.title,
            width=_WIDTH // _GRAPHS_A_LINE,
            left=[self._metric(row)],
            left_y_axis=cloudwatch.YAxisProps(label=row.unit, show_units=False, min=0),
            left_annotations=[
                cloudwatch.HorizontalAnnotation(label=f"{label} {value:g} {row.unit}", value=value, color=color, fill=fill)
                for label, value, color, fill in lines
            ],
        )
