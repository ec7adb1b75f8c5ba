"""RDS instances that take time, and are restored as RDS restores them: on the clock, with what RDS refuses.

ministack 1.5.33 has no RestoreDBInstanceToPointInTime, restores snapshots into "available" at once with nothing of the source's
storage key, and changes an instance while it is asked. Replaced in `rds._ACTION_MAP`:
- CreateDBInstance, which gives each endpoint a name of its own; CreateDBSnapshot, RestoreDBInstanceFromDBSnapshot,
  RestoreDBInstanceToPointInTime, ModifyDBInstance, RebootDBInstance and DescribeOrderableDBInstanceOptions;
- everything else: called through, after what is due on the clock.
And `rds._instance_xml`, called through, which shows no log exports; and the creation and update by CloudFormation, called
through, which lose them and give an endpoint a name of its own in place of the one that all of a region's instances have.

No database runs. An instance answers while its status says so, and accepts the password that it has. Which password that is
after a restore depends on the time that is restored, as on RDS.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html lists the statuses. How long each lasts is
documented nowhere: LASTS is what is common.
"""

import functools
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id, get_region
from ministack.services import rds
from ministack.services.cloudformation import provisioners

from local.ecs.rollout import RefusedError
from local.emulator.clock import Clock
from stacks import catalog

Record = dict[str, Any]
Parameters = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

LASTS = {
    "asked": 20,  # until a change that was asked for shows in the status
    "backing-up": 120,
    "configuring-enhanced-monitoring": 30,
    "configuring-log-exports": 30,
    "creating": 600,
    "modifying": 600,
    "rebooting": 60,
    "renaming": 600,  # "about 10 minutes": https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RenameInstance.html
    "resetting-master-credentials": 60,
}
"""Seconds on the clock."""

ANSWERING = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-log-exports",
        "modifying",
        "resetting-master-credentials",
        "storage-optimization",
    }
)
"""The statuses in which connections are accepted."""

_LOG_SECONDS = 300
"""RDS keeps the transaction logs every five minutes:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html"""
_DAY = 86400

_LATER = {  # parameter of ModifyDBInstance: the status while it is applied
    "NewDBInstanceIdentifier": "renaming",
    "DBInstanceClass": "modifying",
    "AllocatedStorage": "modifying",
    "EngineVersion": "modifying",
    "MultiAZ": "modifying",
    "StorageType": "modifying",
    "MasterUserPassword": "resetting-master-credentials",
    "MonitoringInterval": "configuring-enhanced-monitoring",
    "CloudwatchLogsExportConfiguration": "configuring-log-exports",
}
_PENDING = {"NewDBInstanceIdentifier": "DBInstanceIdentifier"}
"""The name under which PendingModifiedValues has a parameter, where it is another."""
_NEVER_PENDING = {"MonitoringInterval", "CloudwatchLogsExportConfiguration"}
"""Applied as soon as possible, whatever the request says of ApplyImmediately."""
_NUMBERS, _FLAGS = {"AllocatedStorage", "MonitoringInterval", "BackupRetentionPeriod", "Iops"}, {"MultiAZ"}

_INHERITED = (
    "Engine",
    "EngineVersion",
    "LicenseModel",
    "MasterUsername",
    "DBName",
    "AllocatedStorage",
    "BackupRetentionPeriod",
    "StorageEncrypted",
    "KmsKeyId",
    "OptionGroupMemberships",
    "AutoMinorVersionUpgrade",
    "CACertificateIdentifier",
    "_MasterUserPassword",
    "_suffix",
    "_port",
)
"""What a restored instance has of the backup, whatever is asked for."""


class DatabaseInstances:
    """The instances of the account, on the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._suffix = secrets.token_hex(6)
        """The same in the endpoint of every instance of an account in a region."""
        self._lock = threading.RLock()

    def install(self) -> None:
        """Plug in."""
        self._clock.drive(rds)
        self._called_through = {
            name: rds._ACTION_MAP[name] for name in ("CreateDBInstance", "CreateDBSnapshot", "ModifyDBInstance")
        }
        self._instance_xml = rds._instance_xml
        rds._instance_xml = self.instance_xml
        replaced: dict[str, Callable[[Parameters], Response]] = {
            "CreateDBInstance": self.create,
            "CreateDBSnapshot": self.create_snapshot,
            "RestoreDBInstanceFromDBSnapshot": self.restore_snapshot,
            "RestoreDBInstanceToPointInTime": self.restore_to_point_in_time,
            "ModifyDBInstance": self.modify,
            "RebootDBInstance": self.reboot,
            "DescribeOrderableDBInstanceOptions": self.orderable,
        }
        actions = rds._ACTION_MAP | replaced
        rds._ACTION_MAP.update({name: self._operation(action) for name, action in actions.items() if "Cluster" not in name})
        handlers = provisioners._RESOURCE_HANDLERS["AWS::RDS::DBInstance"]
        create, update = handlers["create"], handlers["update"]

        def created(logical_id: str, properties: Parameters, *rest: Any) -> Any:
            ref, attributes = create(logical_id, properties, *rest)
            instance = self._made_now(rds._instances[ref])
            _export_logs(instance, properties)
            return ref, {**attributes, "Endpoint.Address": instance["Endpoint"]["Address"]}

        def updated(physical_id: str, old: Parameters, new: Parameters, *rest: Any, **named: Any) -> Any:
            ref, attributes = update(physical_id, old, new, *rest, **named)
            instance = rds._instances[ref]
            self._place(instance)
            _export_logs(instance, new)
            return ref, {**attributes, "Endpoint.Address": instance["Endpoint"]["Address"]}

        provisioners._RESOURCE_HANDLERS["AWS::RDS::DBInstance"] = {**handlers, "create": created, "update": updated}

    def answers(self, identifier: str, password: str | None = None) -> bool:
        """Whether an instance of this name accepts connections, with that password where one is given."""
        self.progress()
        instance = rds._instances.get(identifier) or {}
        right = password is None or password == instance.get("_MasterUserPassword")
        return instance.get("DBInstanceStatus") in ANSWERING and right

    def _operation(self, operation: Callable[[Parameters], Response]) -> Callable[[Parameters], Response]:
        """An operation after what is due by now, with RDS's answer to what it refuses."""

        def run(parameters: Parameters) -> Response:
            with self._lock:
                self.progress()
                try:
                    return operation(parameters)
                except RefusedError as refused:
                    status = 404 if refused.code.endswith(("NotFound", "NotFoundFault")) else 400
                    return rds._error(refused.code, escape(str(refused)), status)  # type: ignore[no-any-return]

        return run

    # What happens on the clock

    def progress(self) -> None:
        """Let everything happen that is due by now."""
        now = self._clock.time()
        with self._lock:
            for record in (*rds._instances.values(), *rds._snapshots.values()):
                due = record.get("_due") or []
                while due and due[0][0] <= now:
                    at, happens = due.pop(0)
                    happens(at)

    def _then(self, record: Record, seconds: float, happens: Callable[[float], None]) -> None:
        """Something that happens so long after what is already to happen."""
        due = record.setdefault("_due", [])
        due.append(((due[-1][0] if due else self._clock.time()) + seconds, happens))

    def _turn(self, instance: Record, seconds: float, status: str) -> None:
        self._then(instance, seconds, lambda _: instance.update(DBInstanceStatus=status))

    def create(self, parameters: Parameters) -> Response:
        """An instance at once, as the emulator makes it."""
        answer: Response = self._called_through["CreateDBInstance"](parameters)
        if answer[0] != 200:
            return answer
        instance = self._made_now(rds._instances[rds._p(parameters, "DBInstanceIdentifier")])
        instance["EnabledCloudwatchLogsExports"] = rds._parse_member_list(parameters, "EnableCloudwatchLogsExports")
        return rds._single_instance_response("CreateDBInstanceResponse", "CreateDBInstanceResult", instance)  # type: ignore[no-any-return]

    def _made_now(self, instance: Record) -> Record:
        now = float(int(self._clock.time()))
        instance |= {"_made": now, "InstanceCreateTime": rds._format_time(now)}
        self._place(instance)
        return instance

    # Snapshots

    def create_snapshot(self, parameters: Parameters) -> Response:
        """A snapshot that is "creating" and an instance that is "backing-up", both for their time."""
        name = rds._p(parameters, "DBSnapshotIdentifier")
        _check_identifier("DBSnapshotIdentifier", name, 255)
        instance = self._available(rds._p(parameters, "DBInstanceIdentifier"), "available", "storage-optimization")
        answer: Response = self._called_through["CreateDBSnapshot"](parameters)
        if answer[0] != 200:
            return answer
        snapshot = rds._snapshots[name]
        snapshot |= {key: instance[key] for key in (*_INHERITED, "DBSubnetGroup") if key in instance}
        snapshot |= {"Status": "creating", "PercentProgress": 0, "VpcId": instance["DBSubnetGroup"].get("VpcId", "")}
        if not instance.get("CopyTagsToSnapshot"):
            snapshot["TagList"] = rds._parse_tags(parameters)
        self._then(snapshot, LASTS["backing-up"], lambda _: snapshot.update(Status="available", PercentProgress=100))
        instance["DBInstanceStatus"] = "backing-up"
        self._turn(instance, LASTS["backing-up"], "available")
        shown = f"<CreateDBSnapshotResult><DBSnapshot>{rds._snapshot_xml(snapshot)}</DBSnapshot></CreateDBSnapshotResult>"
        return rds._xml(200, "CreateDBSnapshotResponse", shown)  # type: ignore[no-any-return]

    # Restoring

    def restore_snapshot(self, parameters: Parameters) -> Response:
        """https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceFromDBSnapshot.html"""
        name = rds._p(parameters, "DBSnapshotIdentifier")
        snapshot = rds._snapshots.get(name.rpartition(":snapshot:")[2])
        if not snapshot:
            raise RefusedError("DBSnapshotNotFound", f"DBSnapshot not found: {name}")
        if snapshot["Status"] != "available":
            raise RefusedError("InvalidDBSnapshotState", f"DBSnapshot {name} is in state {snapshot['Status']}, not available")
        return self._restore(
            parameters, rds._p(parameters, "DBInstanceIdentifier"), snapshot, "RestoreDBInstanceFromDBSnapshot"
        )

    def restore_to_point_in_time(self, parameters: Parameters) -> Response:
        """https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceToPointInTime.html"""
        source = self._instance(rds._p(parameters, "SourceDBInstanceIdentifier"))
        time, latest = rds._p(parameters, "RestoreTime"), rds._p(parameters, "UseLatestRestorableTime") == "true"
        if bool(time) == latest:
            raise RefusedError("InvalidParameterCombination", "Specify either RestoreTime or UseLatestRestorableTime.")
        if not source["BackupRetentionPeriod"]:
            raise RefusedError("PointInTimeRestoreNotEnabled", "Automated backups are not enabled for this DB instance.")
        at = datetime.fromisoformat(time).timestamp() if time else self._latest(source)
        if not self._earliest(source) <= at <= self._latest(source):
            raise RefusedError(
                "InvalidParameterValue",
                f"The specified instance cannot be restored to {time}: its backups reach from "
                f"{_shown(self._earliest(source))} to {_shown(self._latest(source))}.",
            )
        passwords = [password for since, password in source.get("_passwords", ()) if since <= at]
        source = source | {"_MasterUserPassword": passwords[-1] if passwords else source["_MasterUserPassword"]}
        return self._restore(
            parameters, rds._p(parameters, "TargetDBInstanceIdentifier"), source, "RestoreDBInstanceToPointInTime"
        )

    def _restore(self, parameters: Parameters, target: str, source: Record, operation: str) -> Response:
        """A new instance beside the others; what is not asked for is RDS's default, not the source's, but for _INHERITED."""
        _check_identifier("DBInstanceIdentifier", target, 63)
        if target in rds._instances:
            raise RefusedError("DBInstanceAlreadyExists", "DB instance already exists")

        def asked(name: str, otherwise: Any = "") -> Any:
            return rds._p(parameters, name) or otherwise

        def flag(name: str, otherwise: bool = False) -> bool:
            return bool(asked(name, str(otherwise).lower()) == "true")

        subnets = self._known(rds._subnet_groups, asked("DBSubnetGroupName"), "DBSubnetGroupNotFoundFault", "DBSubnetGroup")
        group = asked("DBParameterGroupName")
        self._known(rds._param_groups, group, "DBParameterGroupNotFound", "DBParameterGroup")
        if flag("MultiAZ") and asked("AvailabilityZone"):
            raise RefusedError(
                "InvalidParameterCombination", "Requesting a specific availability zone is not valid for Multi-AZ."
            )
        self._check_class(source, asked("DBInstanceClass", source["DBInstanceClass"]))
        arn = f"arn:aws:rds:{get_region()}:{get_account_id()}:db:{target}"
        now = float(int(self._clock.time()))
        instance: Record = {
            **{key: source[key] for key in _INHERITED if key in source},
            "DBInstanceIdentifier": target,
            "DBInstanceClass": asked("DBInstanceClass", source["DBInstanceClass"]),
            "DBInstanceStatus": "creating",
            "Endpoint": {},
            "InstanceCreateTime": rds._format_time(now),
            "PreferredBackupWindow": asked("PreferredBackupWindow", "06:00-06:30"),
            "PreferredMaintenanceWindow": "sun:07:00-sun:07:30",
            "VpcSecurityGroups": [
                {"VpcSecurityGroupId": one, "Status": "active"}
                for one in rds._parse_member_list(parameters, "VpcSecurityGroupIds") or ["sg-default"]
            ],
            "DBParameterGroups": [
                {
                    "DBParameterGroupName": group or f"default.{source['Engine']}{source['EngineVersion'].partition('.')[0]}",
                    "ParameterApplyStatus": "in-sync",
                }
            ],
            "DBSubnetGroup": subnets or {"DBSubnetGroupName": "default", "SubnetGroupStatus": "Complete", "Subnets": []},
            "AvailabilityZone": asked("AvailabilityZone", f"{get_region()}a"),
            "PendingModifiedValues": {},
            "MultiAZ": flag("MultiAZ"),
            "AutoMinorVersionUpgrade": flag("AutoMinorVersionUpgrade", source.get("AutoMinorVersionUpgrade", True)),
            "PubliclyAccessible": flag("PubliclyAccessible"),
            "StorageType": asked("StorageType", "gp3"),
            "CopyTagsToSnapshot": flag("CopyTagsToSnapshot"),
            "IAMDatabaseAuthenticationEnabled": flag("EnableIAMDatabaseAuthentication"),
            "DeletionProtection": flag("DeletionProtection"),
            "EnabledCloudwatchLogsExports": rds._parse_member_list(parameters, "EnableCloudwatchLogsExports"),
            "MonitoringInterval": 0,
            "MonitoringRoleArn": "",
            "PerformanceInsightsEnabled": False,
            "BackupRetentionPeriod": int(asked("BackupRetentionPeriod", source.get("BackupRetentionPeriod", 1))),
            "DbiResourceId": f"db-{secrets.token_hex(13).upper()}",
            "DBInstanceArn": arn,
            "TagList": rds._parse_tags(parameters),
            "_made": now,
        }
        if asked("MaxAllocatedStorage"):
            instance["MaxAllocatedStorage"] = int(asked("MaxAllocatedStorage"))
        rds._instances[target] = instance
        if instance["TagList"]:
            rds._tags[arn] = instance["TagList"]
        # The first backup follows the creation: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.html
        self._then(instance, LASTS["creating"], lambda _: self._place(instance))
        self._turn(instance, 0, "backing-up")
        self._turn(instance, LASTS["backing-up"], "available")
        return rds._single_instance_response(f"{operation}Response", f"{operation}Result", instance)  # type: ignore[no-any-return]

    def _earliest(self, instance: Record) -> float:
        kept: float = self._clock.time() - instance["BackupRetentionPeriod"] * _DAY
        return max(self._made(instance), kept)

    def _latest(self, instance: Record) -> float:
        return max(self._made(instance), self._clock.time() // _LOG_SECONDS * _LOG_SECONDS)

    @staticmethod
    def _made(instance: Record) -> float:
        return float(instance.get("_made") or datetime.fromisoformat(instance["InstanceCreateTime"]).timestamp())

    # Changing

    def modify(self, parameters: Parameters) -> Response:
        """What takes time is pending, then has its own status; with ApplyImmediately false it stays pending."""
        instance = self._available(rds._p(parameters, "DBInstanceIdentifier"), "available", "storage-optimization")
        wanted = _wanted(parameters)
        self._check_wanted(instance, wanted)
        group = rds._p(parameters, "DBParameterGroupName")
        self._known(rds._param_groups, group, "DBParameterGroupNotFound", "DBParameterGroup")
        at_once = {name: value for name, value in parameters.items() if name.partition(".")[0] not in _LATER}
        answer: Response = self._called_through["ModifyDBInstance"](at_once)
        if answer[0] != 200:
            return answer
        if insights := rds._p(parameters, "EnablePerformanceInsights"):
            instance["PerformanceInsightsEnabled"] = insights == "true"
        pending = {_PENDING.get(name, name): value for name, value in wanted.items() if name not in _NEVER_PENDING}
        pending |= {"MasterUserPassword": "****"} if "MasterUserPassword" in pending else {}
        instance["PendingModifiedValues"] = {**instance.get("PendingModifiedValues", {}), **pending}
        now = rds._p(parameters, "ApplyImmediately") == "true"
        wait = LASTS["asked"]
        for name, value in wanted.items():
            if now or name in _NEVER_PENDING:
                self._turn(instance, wait, _LATER[name])
                self._then(instance, LASTS[_LATER[name]], functools.partial(self._apply, instance, name, value))
                self._turn(instance, 0, "available")
                wait = 0
        return rds._single_instance_response("ModifyDBInstanceResponse", "ModifyDBInstanceResult", instance)  # type: ignore[no-any-return]

    def _check_wanted(self, instance: Record, wanted: Record) -> None:
        if renamed := wanted.get("NewDBInstanceIdentifier"):
            _check_identifier("NewDBInstanceIdentifier", renamed, 63)
            if renamed in rds._instances:
                raise RefusedError("DBInstanceAlreadyExists", f"DB instance {renamed} already exists")
        if "DBInstanceClass" in wanted:
            self._check_class(instance, wanted["DBInstanceClass"])
        if not 8 <= len(wanted.get("MasterUserPassword", "12345678")) <= 128:
            raise RefusedError("InvalidParameterValue", "The parameter MasterUserPassword is not a valid password.")

    def _apply(self, instance: Record, name: str, value: Any, at: float) -> None:
        instance.get("PendingModifiedValues", {}).pop(_PENDING.get(name, name), None)
        match name:
            case "NewDBInstanceIdentifier":
                del rds._instances[instance["DBInstanceIdentifier"]]
                arn = instance["DBInstanceArn"]
                instance["DBInstanceIdentifier"] = value
                instance["DBInstanceArn"] = f"{arn.rpartition(':')[0]}:{value}"
                rds._instances[value] = instance
                if arn in rds._tags:
                    rds._tags[instance["DBInstanceArn"]] = rds._tags.pop(arn)
                self._place(instance)
            case "MasterUserPassword":
                instance.setdefault("_passwords", [(0.0, instance["_MasterUserPassword"])]).append((at, value))
                instance["_MasterUserPassword"] = value
            case "CloudwatchLogsExportConfiguration":
                exported = [*instance.get("EnabledCloudwatchLogsExports", ()), *value["EnableLogTypes"]]
                kept = [one for one in dict.fromkeys(exported) if one not in value["DisableLogTypes"]]
                instance["EnabledCloudwatchLogsExports"] = kept
            case _:
                instance[name] = int(value) if name in _NUMBERS else value == "true" if name in _FLAGS else value

    def reboot(self, parameters: Parameters) -> Response:
        """With ForceFailover the other zone's instance takes over, which only a Multi-AZ instance can."""
        instance = self._available(rds._p(parameters, "DBInstanceIdentifier"), "available")
        if rds._p(parameters, "ForceFailover") == "true":
            if not instance.get("MultiAZ"):
                raise RefusedError("InvalidParameterCombination", "Cannot force failover: the instance is not Multi-AZ.")
            zones = [one["SubnetAvailabilityZone"]["Name"] for one in instance["DBSubnetGroup"].get("Subnets", ())]
            others = [zone for zone in sorted(set(zones)) if zone != instance["AvailabilityZone"]]
            instance["AvailabilityZone"] = next(iter(others), instance["AvailabilityZone"])
        instance["DBInstanceStatus"] = "rebooting"

        def restarted(_: float) -> None:
            instance["DBInstanceStatus"] = "available"
            for group in instance["DBParameterGroups"]:
                group["ParameterApplyStatus"] = "in-sync"
            rds._record_reboot_event(instance)

        self._then(instance, LASTS["rebooting"], restarted)
        return rds._single_instance_response("RebootDBInstanceResponse", "RebootDBInstanceResult", instance)  # type: ignore[no-any-return]

    # What can be ordered

    def orderable(self, parameters: Parameters) -> Response:
        """The classes of the lists that synthesis knows, in every zone of the region, a page of at most 100."""
        engine, version = rds._p(parameters, "Engine"), rds._p(parameters, "EngineVersion") or "15"
        if engine != "postgres":
            raise RefusedError("InvalidParameterValue", f"The local cloud has no list of what is orderable for {engine}")
        wanted = rds._p(parameters, "DBInstanceClass")
        zones = "".join(f"<AvailabilityZone><Name>{zone}</Name></AvailabilityZone>" for zone in catalog.zones(get_region()))
        options = [
            f"<OrderableDBInstanceOption><Engine>{engine}</Engine><EngineVersion>{version}</EngineVersion>"
            f"<DBInstanceClass>{one}</DBInstanceClass><LicenseModel>postgresql-license</LicenseModel>"
            f"<AvailabilityZones>{zones}</AvailabilityZones><MultiAZCapable>true</MultiAZCapable><Vpc>true</Vpc>"
            f"<SupportsStorageEncryption>true</SupportsStorageEncryption><StorageType>{storage}</StorageType>"
            "<SupportsEnhancedMonitoring>true</SupportsEnhancedMonitoring>"
            "<SupportsIAMDatabaseAuthentication>true</SupportsIAMDatabaseAuthentication></OrderableDBInstanceOption>"
            for one in sorted(catalog.instance_classes(get_region(), version))
            for storage in ("gp2", "gp3", "io1", "io2")
            if not wanted or one == wanted
        ]
        start, size = int(rds._p(parameters, "Marker") or 0), int(rds._p(parameters, "MaxRecords") or 100)
        more = f"<Marker>{start + size}</Marker>" if len(options) > start + size else ""
        listed = f"<OrderableDBInstanceOptions>{''.join(options[start : start + size])}</OrderableDBInstanceOptions>{more}"
        result = f"<DescribeOrderableDBInstanceOptionsResult>{listed}</DescribeOrderableDBInstanceOptionsResult>"
        return rds._xml(200, "DescribeOrderableDBInstanceOptionsResponse", result)  # type: ignore[no-any-return]

    def _check_class(self, instance: Record, wanted: str) -> None:
        version = instance["EngineVersion"]
        if wanted not in catalog.instance_classes(get_region(), version):
            raise RefusedError(
                "InvalidParameterCombination",
                "RDS does not support creating a DB instance with the following combination: "
                f"DBInstanceClass={wanted}, Engine={instance['Engine']}, EngineVersion={version}.",
            )

    # Shared

    def instance_xml(self, instance: Record) -> str:
        """An instance as RDS shows it: with its log exports, its latest restorable time, and no endpoint before it has one."""
        shown: str = self._instance_xml(instance)
        logs = "".join(f"<member>{one}</member>" for one in instance.get("EnabledCloudwatchLogsExports") or ())
        shown = shown.replace(
            "<EnabledCloudwatchLogsExports/>", f"<EnabledCloudwatchLogsExports>{logs}</EnabledCloudwatchLogsExports>"
        )
        if not instance.get("Endpoint"):
            start, _, rest = shown.partition("<Endpoint>")
            shown = start + rest.partition("</Endpoint>")[2]
        start, _, rest = shown.partition("<LatestRestorableTime>")
        rest = rest.partition("</LatestRestorableTime>")[2]
        if instance.get("BackupRetentionPeriod") and instance["DBInstanceStatus"] != "creating":
            start += f"<LatestRestorableTime>{rds._format_time(self._latest(instance))}</LatestRestorableTime>"
        return start + rest

    def _place(self, instance: Record) -> None:
        """Give the instance its endpoint: its name, and what is the same for all of the account's instances in the region."""
        port = instance.setdefault("_port", int((instance.get("Endpoint") or {}).get("Port") or 5432))
        address = f"{instance['DBInstanceIdentifier']}.{self._suffix}.{get_region()}.rds.amazonaws.com"
        instance["Endpoint"] = {"Address": address, "Port": port, "HostedZoneId": "Z2R2ITUGPM61AM"}

    @staticmethod
    def _instance(identifier: str) -> Record:
        found: Record | None = rds._resolve_instance(identifier)
        if not found:
            raise RefusedError("DBInstanceNotFound", f"DBInstance {identifier} not found.")
        return found

    def _available(self, identifier: str, *statuses: str) -> Record:
        instance = self._instance(identifier)
        status = instance["DBInstanceStatus"]
        if status not in statuses:
            raise RefusedError("InvalidDBInstanceState", f"Instance {identifier} is not in available state: it is {status}.")
        return instance

    @staticmethod
    def _known(records: Any, name: str, code: str, what: str) -> Any:
        """The record of that name, where one is named; a default group need not be there."""
        if name and name not in records and not name.startswith("default"):
            raise RefusedError(code, f"{what} {name} not found.")
        return records.get(name)


def _check_identifier(member: str, name: str, longest: int) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html"""
    letters = name.replace("-", "")
    right = letters.isascii() and letters.isalnum() and name[:1].isalpha() and not name.endswith("-") and "--" not in name
    if not right or len(name) > longest:
        raise RefusedError(
            "InvalidParameterValue",
            f"The parameter {member} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII "
            "letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.",
        )


def _wanted(parameters: Parameters) -> Record:
    """What a ModifyDBInstance asks for that takes time."""
    wanted: Record = {name: rds._p(parameters, name) for name in _LATER if rds._p(parameters, name)}
    logs = {
        kind: rds._parse_member_list(parameters, f"CloudwatchLogsExportConfiguration.{kind}")
        for kind in ("EnableLogTypes", "DisableLogTypes")
    }
    return wanted | ({"CloudwatchLogsExportConfiguration": logs} if any(logs.values()) else {})


def _export_logs(instance: Record, properties: Parameters) -> None:
    instance["EnabledCloudwatchLogsExports"] = list(properties.get("EnableCloudwatchLogsExports") or ())


def _shown(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"
