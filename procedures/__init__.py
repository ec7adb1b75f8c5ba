"""The procedures of the runbook as data: what each is for, what it takes, its steps, and what its document may do.

Each becomes a Systems Manager Automation document. What is more than a call of AWS's API is done by the function of
`lambdas/procedures/`, step by step.
"""
