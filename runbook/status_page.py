"""The status page's templates (runbook section 2); what is in brackets is filled in."""

INVESTIGATING = """We are currently investigating issues with [SERVICE].
Some users may experience [SYMPTOMS].
We will provide updates as we learn more."""

IDENTIFIED = """We have identified the issue affecting [SERVICE].
The issue is related to [BRIEF DESCRIPTION].
Our team is working on a fix."""

RESOLVED = """The issue affecting [SERVICE] has been resolved.
[BRIEF DESCRIPTION OF FIX]
We apologize for any inconvenience."""
