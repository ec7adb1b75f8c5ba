"""The functions of `lambdas/`, one file each: its settings, its permissions, and how it is run."""
