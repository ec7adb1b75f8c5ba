"""`make init`: writes the file of an environment with a team's own values."""
