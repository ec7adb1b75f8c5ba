"""Where it goes: the account, its region, the CDK's bootstrap, and the stacks that are there already."""

from local.preflight.case import CLOUDFRONT_REGION, CREATION_FAILED, Answers, Case, fix, later, ok


def identity(case: Case) -> Answers:
    caller = case.account.ask("sts", "get_caller_identity")
    if caller["Account"] == case.environment.account:
        yield ok(f"{caller['Arn']} in account {caller['Account']}")
    else:
        yield fix(
            f"your credentials are for account {caller['Account']}: take some for {case.environment.account}, or set "
            f"account in {case.file}"
        )


def region(case: Case) -> Answers:
    answer = case.account.ask("ec2", "describe_regions", region=CLOUDFRONT_REGION, AllRegions=True)
    states = {one["RegionName"]: one.get("OptInStatus", "") for one in answer["Regions"]}
    wanted = case.environment.region
    if wanted not in states:
        yield fix(f"AWS has no region {wanted}: set region in {case.file}")
    elif states[wanted] == "not-opted-in":
        yield fix(f"{wanted} is not enabled in the account: aws account enable-region --region-name {wanted}")
    else:
        yield ok(f"{wanted} is enabled")


def bootstrap(case: Case) -> Answers:
    needed, parameter = case.plan.bootstrap_version, case.plan.bootstrap_parameter
    for where in case.plan.regions:
        answer = case.account.ask("ssm", "get_parameter", absent=("ParameterNotFound",), region=where, Name=parameter)
        version = int(answer["Parameter"]["Value"]) if answer else 0
        if version >= needed:
            yield ok(f"{where} has version {version}, {needed} is needed")
        else:
            has = f"has version {version}, {needed} is needed" if version else "is not bootstrapped"
            yield fix(f"{where} {has}: cdk bootstrap aws://{case.environment.account}/{where}")


_STANDS = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")


def stacks(case: Case) -> Answers:
    standing = 0
    for stack in case.plan.stacks:
        if not (live := case.live.get(stack.name)):
            continue
        where = f"--region {stack.region} --stack-name {stack.name}"
        says = f"{stack.name} is in {live.status}"
        if live.status in _STANDS:
            standing += 1
        elif live.status in CREATION_FAILED and live.protected:
            unprotect = f"aws cloudformation update-termination-protection --no-enable-termination-protection {where}"
            yield fix(f"{says} and protected, so that cdk deploy cannot make it again: {unprotect}")
        elif live.status in CREATION_FAILED:
            yield later(f"{says}: cdk deploy deletes it and makes it again")
        elif live.status.endswith("_IN_PROGRESS"):
            yield fix(f"{says}: wait until it has ended, aws cloudformation describe-stack-events {where}")
        elif live.status == "UPDATE_ROLLBACK_FAILED":
            yield fix(f"{says}: aws cloudformation continue-update-rollback {where}")
        elif live.status == "DELETE_FAILED":
            yield fix(f"{says}: delete what its events name, then aws cloudformation delete-stack {where}")
        else:
            yield fix(f"{says}: cdk rollback {case.environment.name}/{stack.component}")
    yield ok(f"{standing} of {len(case.plan.stacks)} stand")
