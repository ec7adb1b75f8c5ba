"""`procedures`: what the Systems Manager Automation documents of `procedures/` call, one step at a time."""
