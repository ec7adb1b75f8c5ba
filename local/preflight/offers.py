"""What AWS offers in the region and its zones, and has ready for the account."""

from local.preflight.case import Answers, Case, fix, ok

FARGATE_ZONES = {"us-west-1": ("usw1-az1", "usw1-az3"), "ap-northeast-1": ("apne1-az1", "apne1-az2", "apne1-az4")}
"""The zones with Fargate, in the regions where not all have it:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html"""


def zones(case: Case) -> Answers:
    problems = False
    for name in case.environment.network.zones:
        zone = case.zones.get(name)
        if not zone or zone.get("ZoneType", "availability-zone") != "availability-zone":
            names = sorted({one["ZoneName"] for one in case.zones.values() if one.get("ZoneType") == "availability-zone"})
            problem = f"the account has no availability zone {name}, but {', '.join(names)}"
        elif zone["State"] != "available":
            problem = f"{name} is {zone['State']}"
        elif zone["ZoneId"] not in FARGATE_ZONES.get(case.environment.region, (zone["ZoneId"],)):
            problem = f"{name} is {zone['ZoneId']}, which has no Fargate"
        else:
            continue
        problems = True
        yield fix(f"{problem}: set network.zones in {case.file}")
    if not problems:
        yield ok(
            ", ".join(
                f"{case.zones[name]['ZoneName']} is {case.zones[name]['ZoneId']}" for name in case.environment.network.zones
            )
        )


def endpoints(case: Case) -> Answers:
    services = [
        resource.properties["ServiceName"]
        for resource in case.plan.resources("AWS::EC2::VPCEndpoint")
        if resource.properties.get("VpcEndpointType") == "Interface"
    ]
    if not services:
        yield ok("none are needed")
        return
    answer = case.account.ask("ec2", "describe_vpc_endpoint_services", absent=("InvalidServiceName",), ServiceNames=services)
    offered = {one["ServiceName"]: one["AvailabilityZones"] for one in answer.get("ServiceDetails", ())}
    lacking = {service: [zone for zone in case.zone_names if zone not in offered.get(service, ())] for service in services}
    for service, without in lacking.items():
        if without:
            yield fix(f"{service} has no endpoint in {', '.join(without)}: set network.zones in {case.file} to others")
    if not any(lacking.values()):
        yield ok(f"{', '.join(service.split('.', 3)[3] for service in services)}: one in every zone")


def database(case: Case) -> Answers:
    instance = next(case.missing("AWS::RDS::DBInstance"), None)
    if not instance:
        yield ok("it is there already")
        return
    wanted, two_zones = instance.properties, instance.properties.get("MultiAZ")
    engine, version = wanted["Engine"], wanted["EngineVersion"]
    known = case.account.ask("rds", "describe_db_engine_versions", Engine=engine)["DBEngineVersions"]
    versions = [one["EngineVersion"] for one in known if one.get("Status", "available") == "available"]
    if version not in versions:
        major = version.partition(".")[0]
        others = [other for other in versions if other.partition(".")[0] == major] or versions
        yield fix(
            f"RDS makes no instance of {engine} {version}: set database.version in {case.config}/application.toml to one of "
            f"{', '.join(others)}"
        )
        return
    options = case.account.ask(
        "rds",
        "describe_orderable_db_instance_options",
        Engine=engine,
        EngineVersion=version,
        DBInstanceClass=wanted["DBInstanceClass"],
        Vpc=True,
    )["OrderableDBInstanceOptions"]
    offered = {
        zone["Name"]
        for option in options
        if option["StorageType"] == wanted["StorageType"] and (option["MultiAZCapable"] or not two_zones)
        for zone in option["AvailabilityZones"]
    }
    where = [zone for zone in case.zone_names if zone in offered]
    what = f"{wanted['DBInstanceClass']} with {engine} {version} and {wanted['StorageType']}"
    if len(where) < (2 if two_zones else 1):
        yield fix(
            f"RDS offers {what} in {', '.join(where) or 'none'} of the zones: set database.instance_class or network.zones in "
            f"{case.file}"
        )
    else:
        yield ok(f"{what} is offered in {', '.join(where)}")


def cache(case: Case) -> Answers:
    group = next(case.missing("AWS::ElastiCache::ReplicationGroup"), None)
    if not group:
        yield ok("it is there already")
        return
    engine, version, node = (group.properties[key] for key in ("Engine", "EngineVersion", "CacheNodeType"))
    known = case.account.ask("elasticache", "describe_cache_engine_versions", Engine=engine)["CacheEngineVersions"]
    versions = [one["EngineVersion"] for one in known]
    if not any(f"{one}.".startswith(f"{version}.") for one in versions):
        yield fix(
            f"ElastiCache has no {engine} {version}: set cache.version in {case.config}/application.toml to one of "
            f"{', '.join(versions)}"
        )
    # No operation says which node types a region has, but each that it has can be reserved.
    offered = case.account.ask("elasticache", "describe_reserved_cache_nodes_offerings", CacheNodeType=node)
    if offered.get("ReservedCacheNodesOfferings"):
        yield ok(f"{node} is offered in {case.environment.region}; in which zones, only its creation tells")
    else:
        yield fix(f"ElastiCache offers no {node} in {case.environment.region}: set cache.node_type in {case.file}")


# What stands ready


def layers(case: Case) -> Answers:
    for arn in sorted(
        {arn for one in case.plan.resources("AWS::Lambda::Function") for arn in one.properties.get("Layers", ())}
    ):
        if case.account.ask("lambda", "get_layer_version_by_arn", absent=("ResourceNotFoundException",), Arn=arn):
            yield ok(arn)
        else:
            yield fix(f"there is no {arn}: set POWERTOOLS_LAYER in stacks/functions/base.py to a version that the region has")


SERVICE_ROLES = {
    "AWS::ECS::Cluster": ("AWSServiceRoleForECS", "ecs.amazonaws.com"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "AWSServiceRoleForElasticLoadBalancing",
        "elasticloadbalancing.amazonaws.com",
    ),
    "AWS::RDS::DBInstance": ("AWSServiceRoleForRDS", "rds.amazonaws.com"),
    "AWS::ElastiCache::ReplicationGroup": ("AWSServiceRoleForElastiCache", "elasticache.amazonaws.com"),
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        "AWSServiceRoleForApplicationAutoScaling_ECSService",
        "ecs.application-autoscaling.amazonaws.com",
    ),
}
"""The roles that services act under: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html"""


def service_roles(case: Case) -> Answers:
    absent = []
    for type_, (role, service) in SERVICE_ROLES.items():
        if any(case.plan.resources(type_)) and not case.account.ask("iam", "get_role", absent=("NoSuchEntity",), RoleName=role):
            # ECS alone does not wait for the role that the first cluster makes.
            if service == "ecs.amazonaws.com":
                yield fix(f"there is no {role}: aws iam create-service-linked-role --aws-service-name {service}")
            else:
                absent.append(role)
    yield ok(f"AWS makes {', '.join(absent)} at the first use" if absent else "all are there")
