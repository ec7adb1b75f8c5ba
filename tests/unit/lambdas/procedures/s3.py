"""S3 and CloudFront in memory, as AWS documents what the frontend's procedures call, with the parameters checked by botocore.

An object is encrypted under a KMS key: its ETag says nothing of what is in it, and each write makes another. A listing has its
times in whole seconds and 1,000 keys a page, a copy of another version than the one meant is refused, deleting answers for each key.
moto knows none of the ETags and conditions.
"""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BytesIO
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.validate import ParamValidator

_BASE = Session()
_MODELS = {name: _BASE.get_service_model(name) for name in ("s3", "cloudfront")}
_HEADERS = ("ContentType", "CacheControl", "ContentEncoding", "ContentDisposition", "ContentLanguage", "Metadata")


class Killed(BaseException):
    """The process of the function is gone."""


def refused(operation: str, code: str, status: int) -> ClientError:
    """What boto3 raises for an error."""
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


@dataclass(frozen=True)
class Object:
    body: bytes
    etag: str
    modified: datetime
    headers: Mapping[str, Any] = field(default_factory=dict)
    tags: str = ""
    size: int = -1
    """Of an object that only says that it is so big."""


@dataclass
class Process:
    """The function's process: its AWS calls, and when it dies. `watch` is called after each of them."""

    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    dies_after: int | None = None
    dies_unanswered: bool = False
    """Whether the last call before it dies still has its effect, and only its answer is lost."""
    watch: Callable[[], None] = lambda: None
    refuse: Callable[[str, Mapping[str, Any]], None] = lambda _operation, _parameters: None
    """Called before each call, to raise what AWS answers instead."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def call(self, service: str, operation: str, parameters: Mapping[str, Any], work: Callable[[], Any]) -> Any:
        """Do what a call does, if the process lives; raises Killed from then on when it does not."""
        checked = {name: "as text" if name == "CopySource" else value for name, value in parameters.items()}  # boto3's own
        report = ParamValidator().validate(checked, _MODELS[service].operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()
        with self.lock:
            last = self.dies_after is not None and len(self.calls) >= self.dies_after
            self.calls.append((operation, parameters))
            if last and not (self.dies_unanswered and len(self.calls) == (self.dies_after or 0) + 1):
                raise Killed
            self.refuse(operation, parameters)
            answer = work()
            self.watch()
            if last:
                raise Killed
            return answer


class _Pages:
    def __init__(self, page: Callable[..., Any]) -> None:
        self._page = page

    def paginate(self, **parameters: Any) -> Iterator[Any]:
        """All pages, as boto3's paginators ask for them."""
        more: dict[str, Any] = {}
        while True:
            answer = self._page(**parameters, **more)
            yield answer
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}


class S3:
    """Buckets, and a client of them."""

    def __init__(self, process: Process, clock: Callable[[], datetime]) -> None:
        self.buckets: dict[str, dict[str, Object]] = {}
        self.sticky: set[str] = set()
        """Keys that S3 does not delete, for now."""
        self._process = process
        self._clock = clock
        self._numbers = itertools.count()

    def put(self, bucket: str, key: str, body: bytes, *, size: int = -1, tags: str = "", **headers: Any) -> Object:
        """An object is written, by whom ever."""
        etag = f'"{next(self._numbers):032x}"'
        made = Object(body, etag, self._clock().replace(microsecond=0), headers, tags, size if size >= 0 else len(body))
        self.buckets[bucket][key] = made
        return made

    # The client

    def get_paginator(self, name: str) -> _Pages:
        assert name == "list_objects_v2"
        return _Pages(self.list_objects_v2)

    def list_objects_v2(self, **parameters: Any) -> Any:
        return self._process.call("s3", "ListObjectsV2", parameters, lambda: self._listed(parameters))

    def _listed(self, asked: Mapping[str, Any]) -> Any:
        prefix, delimiter = asked.get("Prefix", ""), asked.get("Delimiter", "")
        most, after = min(asked.get("MaxKeys", 1000), 1000), asked.get("ContinuationToken", "")
        contents: list[Any] = []
        folders: list[str] = []
        for key, found in sorted(self.buckets[asked["Bucket"]].items()):
            if not key.startswith(prefix) or key <= after:
                continue
            rest, slash, _ = key.removeprefix(prefix).partition(delimiter) if delimiter else ("", "", "")
            if slash and f"{prefix}{rest}/" in folders:
                continue
            if len(contents) + len(folders) == most:
                last = max([one["Key"] for one in contents[-1:]] + [f"{folder[:-1]}0" for folder in folders[-1:]])
                return self._page(contents, folders) | {"IsTruncated": True, "NextContinuationToken": last}
            if slash:
                folders.append(f"{prefix}{rest}/")
            else:
                contents.append({"Key": key, "Size": found.size, "ETag": found.etag, "LastModified": found.modified})
        return self._page(contents, folders) | {"IsTruncated": False}

    @staticmethod
    def _page(contents: list[Any], folders: list[str]) -> dict[str, Any]:
        page: dict[str, Any] = {"KeyCount": len(contents) + len(folders)}  # what is empty is left out
        page |= {"Contents": contents} if contents else {}
        return page | ({"CommonPrefixes": [{"Prefix": one} for one in folders]} if folders else {})

    def head_object(self, **parameters: Any) -> Any:
        def work() -> Any:
            found = self._found(parameters["Bucket"], parameters["Key"], "HeadObject", "404")
            return {"ETag": found.etag, "ContentLength": found.size, "LastModified": found.modified, **found.headers}

        return self._process.call("s3", "HeadObject", parameters, work)

    def get_object(self, **parameters: Any) -> Any:
        def work() -> Any:
            found = self._found(parameters["Bucket"], parameters["Key"], "GetObject", "NoSuchKey")
            return {"ETag": found.etag, "Body": BytesIO(found.body), "LastModified": found.modified, **found.headers}

        return self._process.call("s3", "GetObject", parameters, work)

    def put_object(self, **parameters: Any) -> Any:
        def work() -> Any:
            headers = {name: value for name, value in parameters.items() if name in _HEADERS}
            return {"ETag": self.put(parameters["Bucket"], parameters["Key"], parameters["Body"], **headers).etag}

        return self._process.call("s3", "PutObject", parameters, work)

    def copy_object(self, **parameters: Any) -> Any:
        def work() -> Any:
            source = parameters["CopySource"]
            found = self._found(source["Bucket"], source["Key"], "CopyObject", "NoSuchKey")
            if parameters.get("CopySourceIfMatch", found.etag) != found.etag:
                raise refused("CopyObject", "PreconditionFailed", 412)
            if found.size > 5 * 2**30:
                raise refused("CopyObject", "InvalidRequest", 400)
            kept = parameters.get("MetadataDirective", "COPY") == "COPY"
            tags = found.tags if parameters.get("TaggingDirective", "COPY") == "COPY" else parameters.get("Tagging", "")
            headers = dict(found.headers) if kept else {}
            copy = self.put(parameters["Bucket"], parameters["Key"], found.body, size=found.size, tags=tags, **headers)
            return {"CopyObjectResult": {"ETag": copy.etag, "LastModified": copy.modified}}

        return self._process.call("s3", "CopyObject", parameters, work)

    def delete_objects(self, **parameters: Any) -> Any:
        def work() -> Any:
            keys = [one["Key"] for one in parameters["Delete"]["Objects"]]
            assert 0 < len(keys) <= 1000
            errors = [{"Key": key, "Code": "InternalError"} for key in keys if key in self.sticky]
            for key in set(keys) - self.sticky:
                self.buckets[parameters["Bucket"]].pop(key, None)
            return {"Errors": errors} if errors else {}

        return self._process.call("s3", "DeleteObjects", parameters, work)

    def _found(self, bucket: str, key: str, operation: str, missing: str) -> Object:
        if key not in self.buckets[bucket]:
            raise refused(operation, missing, 404)
        return self.buckets[bucket][key]

    def age(self, bucket: str, prefix: str, moment: datetime) -> None:
        """What begins with this was written at that time."""
        for key, found in self.buckets[bucket].items():
            if key.startswith(prefix):
                self.buckets[bucket][key] = replace(found, modified=moment)


class CloudFront:
    """Distributions by id with their names, and a client of them."""

    def __init__(self, process: Process, distributions: Mapping[str, list[str]]) -> None:
        self.distributions = dict(distributions)
        self.invalidations: dict[tuple[str, str], list[str]] = {}
        """The paths, by distribution and the caller's reference."""
        self.asked: dict[tuple[str, str], int] = {}
        self.rounds = 2
        """How often an invalidation is shown before it is completed."""
        self._process = process

    def get_paginator(self, name: str) -> _Pages:
        assert name == "list_distributions"
        return _Pages(self.list_distributions)

    def list_distributions(self, **parameters: Any) -> Any:
        def work() -> Any:
            items = [
                {"Id": one, "Aliases": {"Quantity": len(names), **({"Items": names} if names else {})}}
                for one, names in self.distributions.items()
            ]
            return {"DistributionList": {"Quantity": len(items), **({"Items": items} if items else {})}}

        return self._process.call("cloudfront", "ListDistributions", parameters, work)

    def create_invalidation(self, **parameters: Any) -> Any:
        def work() -> Any:
            batch = parameters["InvalidationBatch"]
            reference = (parameters["DistributionId"], batch["CallerReference"])
            paths = batch["Paths"]["Items"]
            if self.invalidations.setdefault(reference, paths) != paths:
                raise refused("CreateInvalidation", "InvalidationBatchAlreadyExists", 400)
            asked = self.asked[reference] = self.asked.get(reference, 0) + 1
            status = "InProgress" if asked <= self.rounds else "Completed"
            return {"Invalidation": {"Id": f"I{[*self.invalidations].index(reference)}", "Status": status}}

        return self._process.call("cloudfront", "CreateInvalidation", parameters, work)
