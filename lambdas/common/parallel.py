"""Several reads at once, and an end to waiting for them: a service that hangs must not use up a function's time."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Protocol


class AtOnce(Protocol):
    """Calls all readers at once. Returns their answers by name; in place of an answer the exception that it raised, or
    TimeoutError where it took longer than these seconds."""

    def __call__(self, readers: Mapping[str, Callable[[], Any]], seconds: float) -> Mapping[str, Any]: ...


def at_once(readers: Mapping[str, Callable[[], Any]], seconds: float) -> Mapping[str, Any]:
    """AtOnce, with a thread for each reader: boto3's clients may be shared by threads.

    https://docs.aws.amazon.com/boto3/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients
    """
    if not readers:
        return {}
    pool = ThreadPoolExecutor(max_workers=len(readers))
    futures = {name: pool.submit(reader) for name, reader in readers.items()}
    wait(futures.values(), timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)  # one that hangs ends by itself, when botocore gives up
    return {
        name: (future.exception() or future.result()) if future.done() else TimeoutError(f"no answer within {seconds:.0f} s")
        for name, future in futures.items()
    }


def answer(found: Any) -> Any:
    """An answer of AtOnce; raises the exception that stands in its place."""
    if isinstance(found, Exception):
        raise found
    return found
