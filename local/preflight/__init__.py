"""Preflight: what only AWS knows of an environment, asked of the user's account before anything is made."""
