"""The metrics that the table's rows and the dashboard's graphs read, as the CDK's objects."""

from collections.abc import Mapping
from functools import cache
from itertools import product

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from runbook.failures import Failure
from runbook.rows import Row, Signal
from stacks.environment import Environment
from stacks.load_balancer import LoadBalancer
from stacks.network import Network


class Metrics:
    """The metrics of one environment, whose resources give the dimensions their values.

    What several alarms and graphs read is made once: each object is a call into the CDK's Node process.
    """

    def __init__(self, environment: Environment, network: Network, load_balancer: LoadBalancer) -> None:
        self._environment = environment
        self._seconds = cache(cdk.Duration.seconds)
        self.of_row = cache(self._of_row)
        self._dimensions: Mapping[str, tuple[str, ...]] = {
            "ClusterName": (environment.cluster,),
            "ServiceName": (environment.service,),
            "DBInstanceIdentifier": (environment.database_instance,),
            "CacheClusterId": environment.cache_nodes,
            "LoadBalancer": (load_balancer.load_balancer.load_balancer_full_name,),
            "TargetGroup": (load_balancer.target_group.target_group_full_name,),
            "CertificateArn": (load_balancer.tls_certificate.certificate_arn,),
            "RuleName": (environment.failover_rule,),
            "NatGatewayId": network.nat_gateway_ids,
            "Environment": (environment.name,),
        }

    def of_failure(self, failure: Failure) -> cloudwatch.IMetric:
        """What a failure watches."""
        (metric,) = self.of_signal(failure.signal).values()
        return metric

    def _of_row(self, row: Row) -> cloudwatch.IMetric:
        """What a row watches: its one signal, or its expression over the signals."""
        metrics = {name: metric for signal in row.signals for name, metric in self.of_signal(signal, row.period).items()}
        if not row.expression:
            (metric,) = metrics.values()
            return metric
        return cloudwatch.MathExpression(
            expression=row.expression.format(minimum=row.minimum),
            using_metrics=metrics,
            label=row.title,
            period=self._seconds(row.period),
        )

    def of_signal(self, signal: Signal, period: int = 60) -> dict[str, cloudwatch.IMetric]:
        """A signal's metrics by id: one, or one for each value of its dimensions."""
        names, values = [], []
        for dimension in signal.dimensions:
            name, fixed, value = dimension.partition("=")
            names.append(name)
            if name == "FunctionName":  # by its folder, as everywhere
                value = self._environment.function(value)
            values.append((value,) if fixed else self._dimensions[name])
        metrics = [
            cloudwatch.Metric(
                namespace=signal.namespace or self._environment.application.metrics_namespace,
                metric_name=signal.metric,
                dimensions_map=dict(zip(names, combination, strict=True)),
                statistic=signal.statistic,
                period=self._seconds(period),
            )
            for combination in product(*values)
        ]
        if len(metrics) == 1:
            return {signal.id: metrics[0]}
        return {f"{signal.id}{number}": metric for number, metric in enumerate(metrics, 1)}
