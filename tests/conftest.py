"""What holds for every process that runs tests."""

import gc


def pytest_collection_finish() -> None:
    """What is imported by now stays: the garbage collector does not look through its million objects again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
