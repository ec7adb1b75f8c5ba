"""The templates, synthesized once a session for each environment and shared."""
