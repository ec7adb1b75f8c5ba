"""The judge of releases: whether a release made the service better or worse, from its metrics before and since.

Pure: time series in, verdict out; no AWS client, no clock, only the standard library.
"""
