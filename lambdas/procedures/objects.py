"""Files in S3, many at once: listed, copied inside S3, deleted."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

WORKERS = 32
"""Copies at once. S3 takes 3,500 a second for a prefix, and answers SlowDown beyond that:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"""

MANY_COPIES = Config(
    connect_timeout=2,
    read_timeout=60,  # a copy of some GB takes as long
    retries={"mode": "standard", "total_max_attempts": 6},  # SlowDown and InternalError too
    max_pool_connections=WORKERS,
)
"""Of the S3 client."""

MOST_COPIED = 5 * 2**30
"""The biggest object that one CopyObject copies: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

_AT_ONCE = 500  # copies between two looks at the clock
_DELETED_AT_ONCE = 1000  # keys: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
_DELETE_ATTEMPTS = 3


class ChangedError(Exception):
    """The file of this name is no longer what was listed."""


class NotDeletedError(Exception):
    """S3 did not delete some objects; the message names one and why."""


@dataclass(frozen=True, slots=True)
class File:
    """What a listing says of a file. The ETag is no digest of what is in it: the buckets are encrypted under a KMS key."""

    size: int
    etag: str
    modified: str


Files = Mapping[str, File]
"""By their names, which begin after the place's prefix."""


@dataclass(frozen=True)
class Place:
    """Where files are: a bucket, and what their keys begin with."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


class Objects:
    """The objects that a client of S3 reaches; every method raises what AWS raises."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def files(self, place: Place) -> dict[str, File]:
        """All files of a place."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix)
        return {
            name: _file(found)
            for page in pages
            for found in page.get("Contents", ())
            if (name := found["Key"].removeprefix(place.prefix))
        }

    def top(self, bucket: str) -> tuple[list[str], dict[str, File]]:
        """The folders at the top of a bucket, and the objects beside them."""
        folders: list[str] = []
        beside: dict[str, File] = {}
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/"):
            folders += (one["Prefix"].rstrip("/") for one in page.get("CommonPrefixes", ()))
            beside |= {found["Key"]: _file(found) for found in page.get("Contents", ())}
        return folders, beside

    def first(self, place: Place) -> File | None:
        """The first file of a place by name, if it has any."""
        found = self._s3.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix, MaxKeys=1).get("Contents", ())
        return _file(found[0]) if found else None

    def head(self, bucket: str, key: str) -> File | None:
        """What S3 says of an object; None where there is none."""
        found = self._head(bucket, key)
        return _file({**found, "Size": found["ContentLength"]}) if found else None

    def cache_control(self, bucket: str, key: str) -> str | None:
        """The header of an object that says how long it is kept, empty without one; None where there is no object."""
        found = self._head(bucket, key)
        return str(found.get("CacheControl", "")) if found else None

    def _head(self, bucket: str, key: str) -> Mapping[str, Any] | None:
        try:
            answer: Mapping[str, Any] = self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _missing(error):
                return None
            raise
        return answer

    def read(self, bucket: str, key: str) -> bytes | None:
        """What is in an object; None where there is none."""
        try:
            return bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if _missing(error):
                return None
            raise

    def write(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object of JSON, which replaces what was there at once or not at all."""
        self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")

    def copy(self, source: Place, target: Place, files: Files, late: Callable[[], bool]) -> dict[str, str]:
        """Copy files as they were listed, with their metadata. The ETags of the copies: of all, unless it was `late` before.

        ChangedError when one is no longer as listed. Tags stay behind: nothing that is served depends on them, and to read them
        would need one more permission."""

        def one(name: str) -> str:
            try:
                answer = self._s3.copy_object(
                    Bucket=target.bucket,
                    Key=f"{target.prefix}{name}",
                    CopySource={"Bucket": source.bucket, "Key": f"{source.prefix}{name}"},
                    CopySourceIfMatch=files[name].etag,
                    MetadataDirective="COPY",
                    TaggingDirective="REPLACE",
                )
                return str(answer["CopyObjectResult"]["ETag"])
            except ClientError as error:
                if _missing(error) or error.response["Error"]["Code"] in ("PreconditionFailed", "412"):
                    raise ChangedError(name) from error
                raise

        copies: dict[str, str] = {}
        left = iter(files)
        with ThreadPoolExecutor(WORKERS) as pool:
            while not late() and (some := list(islice(left, _AT_ONCE))):
                copies |= zip(some, pool.map(one, some), strict=True)
        return copies

    def delete(self, place: Place, names: Sequence[str]) -> None:
        """Delete files; in a versioned bucket they become old versions. NotDeletedError when S3 refuses one time after time."""
        for start in range(0, len(names), _DELETED_AT_ONCE):
            left = [f"{place.prefix}{name}" for name in names[start : start + _DELETED_AT_ONCE]]
            for _ in range(_DELETE_ATTEMPTS):
                wanted = {"Objects": [{"Key": key} for key in left], "Quiet": True}
                errors = self._s3.delete_objects(Bucket=place.bucket, Delete=wanted).get("Errors", ())
                left = [error["Key"] for error in errors]
                if not left:
                    break
            else:
                error = errors[0]
                raise NotDeletedError(
                    f"{len(left):,} of the files, such as {error['Key']} ({error.get('Code', 'no reason given')})"
                )


def _file(found: Mapping[str, Any]) -> File:
    return File(found["Size"], found["ETag"], found["LastModified"].isoformat())


def _missing(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound")
