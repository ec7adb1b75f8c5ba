"""The runbook as data and pure rules: what stands here is written nowhere else. No CDK, no boto3.

The stacks, the functions and the local tools import it; it ships with the functions.
"""
