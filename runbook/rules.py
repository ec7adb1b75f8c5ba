"""The rules of time and the budgets: how long what is waited for, looked back on, or allowed."""

from datetime import timedelta

# When people are notified (runbook section 2)

HOLD = timedelta(seconds=60)
"""A page that another may explain is held this long: the other may come a minute later."""

CALL = timedelta(minutes=3)
"""From a fault to a P1's call at the latest: DETECTION and HOLD. The way of a metric into CloudWatch comes on top."""

DEPLOYMENT_WAIT = timedelta(minutes=5)
"""How long a page that a deployment may have caused waits for that deployment's rollback: a third of the 15 minutes within
which to respond. A service that ECS rolls back needs three to six; who is called meanwhile reads that it is under way."""

DEPLOYMENT_AGE = timedelta(minutes=70)
"""A deployment that began longer ago is not waited for: it hangs."""

AFTERMATH = timedelta(minutes=3)
"""How long alarms need to see that a finished deployment has repaired what they watch."""

CALM = timedelta(minutes=10)
"""An alarm that fires again within this time is the same notification; after it, people hear that it is over."""

FLAPPING = 3
"""An alarm that fires this often without SETTLED between flaps: people hear so once."""

SETTLED = timedelta(hours=1)
"""What flaps is over once it has been clear for this long. Until then it says nothing, unless it gets worse."""

RECALL = timedelta(hours=24)
"""What returns within this time is told one severity lower than before: after a call by mail, after a mail in the chat. Not a
P1, and nothing that is worse than before or affects users."""

LASTING = timedelta(hours=1)
"""A warning, or a page that was told lower, says so once more when it fires without a break for this long."""

REPEAT = timedelta(minutes=2)
"""Where it cannot be remembered who was told, a notification is sent only so long after it was due: two runs."""

RETRY = timedelta(hours=1)
"""A notification that was sent twice, perhaps in vain, is sent again this much later; until then the errors of `notify` call
somebody."""

MAINTENANCE = timedelta(hours=2)
"""Maintenance that nobody ended is ended."""

RETRY_AFTER = timedelta(minutes=5)
"""What users are told in maintenance: come back after this long."""

CLEARING = timedelta(minutes=10)
"""Alarms have this long to end after maintenance, before people are told of those that still fire."""

ENDING = timedelta(minutes=30)
"""Maintenance for users that has not ended this long after its time is over for people: they are told what fires. Its end is
asked for twice before."""

ARMING = timedelta(hours=24)
"""Monitoring that has not armed itself by then says what it waits for."""

SILENCE = timedelta(hours=1)
"""How long the command in a message silences its alarm."""

RECORD_KEPT = timedelta(days=365)
"""How long the record of an incident is kept after each of its events."""

# When the service is changed automatically (runbook section 4.1)

DETECTION = timedelta(minutes=2)
"""Two of three one-minute periods, the soonest that a critical alarm follows its cause: what began later did not cause it."""

SUSPECT_WINDOW = timedelta(minutes=60)
"""A deployment that ended within this time before the alarm may be the cause."""

BUDGET = 2
"""Automatic changes of the service within BUDGET_WINDOW."""

BUDGET_WINDOW = timedelta(hours=24)

CHANGES_REMEMBERED = timedelta(days=90)
"""How long a change is remembered, and what an incident ran on: as long as ECS remembers deployments.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html"""

CLAIM_SETTLES = timedelta(minutes=5)
"""How long after its alarm a change of ours that recorded no result may still be going on; after that it has none."""

EVENT_AGE = timedelta(days=7)
"""An event whose time is further away from now, before or after, is no alarm's: Lambda keeps none longer than six hours."""

EVIDENCE_DEADLINE = timedelta(seconds=12)
"""What has not been read by then is missing."""

SECOND_LOOK = timedelta(seconds=5)
"""How long the service is read again when the answer to a change was lost."""

ROLLBACK_TIMEOUT = timedelta(seconds=55)
"""How long a run may take, and so how long it keeps its event for itself: less than LAMBDA_RETRY."""

LAMBDA_RETRY = timedelta(seconds=60)
"""Lambda waits this long before its first retry, and twice as long before its second.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""

CANDIDATES = 10
"""The newest task definitions, deployed successfully, whose state is read."""

RELEASES_LOOK = timedelta(minutes=5)
"""How often `releases` looks at the service's deployments without an event: events can be late or lost."""

ROLLOUT = 2
"""A rollout runs up to this many times the tasks: the old ones until the new ones are healthy."""

# The database (runbook section 6.3)

SLOW_QUERY_MILLISECONDS = 1000
"""The database logs a statement that takes longer: `log_min_duration_statement` of its parameter group."""

# The frontend's backups (runbook section 4.2)

BACKUPS_KEPT_FOR = timedelta(days=90)
"""A backup of the frontend that is older goes when the next one is made, unless it is one of BACKUPS_KEPT."""

BACKUPS_KEPT = 10
"""The newest good backups stay, however old: there may be no release for a year."""

# What a procedure's step may take

STEP = timedelta(minutes=4)
"""A step that is not done by then hands on to the next round: Automation waits at most five minutes for a function.
https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-lamb.html"""
