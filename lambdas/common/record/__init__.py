"""The record of an incident: what happened, in events that are only ever added to (runbook 2.2)."""
