"""The functions of `lambdas/`, one file each: what it is told, what it may do, and how it is run."""
