"""Automation documents of Systems Manager: their API, and CloudFormation's AWS::SSM::Document. ministack 1.5.33 has neither.

A document with a problem is refused when it is made (`local.automation.problems`). Only those of the type Automation are kept.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from ministack.core.responses import AccountRegionScopedDict, get_account_id
from ministack.services.cloudformation import provisioners

from local.automation import problems
from local.automation.documents import Document, document
from local.automation.reading import MOST_BYTES, read
from local.emulator.clock import Clock

Request = dict[str, Any]
Answer = dict[str, Any]

_RESERVED = ("aws", "amazon", "amzn")
_MOST_SHOWN = 5  # problems in one message


class RefusedError(Exception):
    """What Systems Manager answers with an error: its code, and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Version:
    """A version of a document: its text, and what it says."""

    number: int
    content: str
    format: str
    name: str
    created: float
    document: Document


@dataclass
class Stored:
    """A document with its versions, oldest first."""

    name: str
    target_type: str
    tags: list[dict[str, str]]
    versions: list[Version] = field(default_factory=list)
    default: int = 1

    def version(self, wanted: str) -> Version | None:
        """A version by its number, $LATEST or $DEFAULT."""
        number = {"$LATEST": self.versions[-1].number, "$DEFAULT": self.default, "": self.default}.get(wanted)
        number = number if number is not None else int(wanted)
        return next((one for one in self.versions if one.number == number), None)


class Documents:
    """The documents of the account, by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._documents: Any = AccountRegionScopedDict()

    @property
    def operations(self) -> Mapping[str, Callable[[Request], Answer]]:
        """What answers each operation."""
        return {
            "CreateDocument": self.create,
            "DeleteDocument": self.delete,
            "DescribeDocument": self.describe,
            "GetDocument": self.get,
            "ListDocuments": self.list,
            "ListDocumentVersions": self.versions,
            "UpdateDocument": self.update,
            "UpdateDocumentDefaultVersion": self.update_default_version,
        }

    def found(self, name: str) -> Stored | None:
        """A document by its name or ARN."""
        found: Stored | None = self._documents.get(name.rpartition("/")[2])
        return found

    def create(self, request: Request) -> Answer:
        name = request["Name"]
        if name.lower().startswith(_RESERVED):
            raise RefusedError("ValidationException", f"The name {name} begins with what AWS keeps for its own documents.")
        if request.get("DocumentType", "Command") != "Automation":
            raise RefusedError("ValidationException", "The local cloud keeps only documents of the type Automation.")
        if self.found(name):
            raise RefusedError("DocumentAlreadyExists", f"The specified document already exists: {name}.")
        stored = Stored(name, request.get("TargetType", ""), list(request.get("Tags") or []))
        stored.versions.append(self._version(request, 1))
        self._documents[name] = stored
        return {"DocumentDescription": {**self._description(stored, stored.versions[0]), "Status": "Creating"}}

    def update(self, request: Request) -> Answer:
        stored = self._named(request)
        latest = stored.versions[-1]
        if request.get("DocumentVersion", "$LATEST") not in ("$LATEST", str(latest.number)):
            raise RefusedError("InvalidDocumentVersion", "The document version is not valid: only the latest can be updated.")
        if request["Content"] == latest.content and request.get("DocumentFormat", "JSON") == latest.format:
            raise RefusedError(
                "DuplicateDocumentContent",
                "The content of the document matches another version. Change the content of the document and try again.",
            )
        if any(one.name == request.get("VersionName", one) for one in stored.versions):
            raise RefusedError("DuplicateDocumentVersionName", "The version name has already been used in this document.")
        stored.versions.append(self._version(request, latest.number + 1))
        stored.target_type = request.get("TargetType", stored.target_type)
        return {"DocumentDescription": {**self._description(stored, stored.versions[-1]), "Status": "Updating"}}

    def update_default_version(self, request: Request) -> Answer:
        stored = self._named(request)
        stored.default = self._of(stored, request["DocumentVersion"]).number
        return {"Description": {"Name": stored.name, "DefaultVersion": str(stored.default)}}

    def delete(self, request: Request) -> Answer:
        stored = self._named(request)
        if wanted := request.get("DocumentVersion"):
            version = self._of(stored, wanted)
            if version.number == stored.default:
                raise RefusedError("InvalidDocumentOperation", "The default version of a document cannot be deleted.")
            stored.versions.remove(version)
        else:
            del self._documents[stored.name]
        return {}

    def get(self, request: Request) -> Answer:
        stored = self._named(request)
        version = self._of(stored, request.get("DocumentVersion", ""))
        wanted = request.get("DocumentFormat", "JSON")
        content = version.content
        if wanted != version.format:
            data = read(content).data
            content = json.dumps(data) if wanted == "JSON" else yaml.safe_dump(data, sort_keys=False)
        shown = {**self._identifier(stored, version), "Content": content, "DocumentFormat": wanted, "Status": "Active"}
        return {
            key: shown[key] for key in shown if key not in ("Owner", "PlatformTypes", "SchemaVersion", "TargetType", "Tags")
        }

    def describe(self, request: Request) -> Answer:
        stored = self._named(request)
        return {"Document": self._description(stored, self._of(stored, request.get("DocumentVersion", "")))}

    def versions(self, request: Request) -> Answer:
        stored = self._named(request)
        return {
            "DocumentVersions": [
                {
                    "Name": stored.name,
                    "DocumentVersion": str(one.number),
                    "CreatedDate": one.created,
                    "IsDefaultVersion": one.number == stored.default,
                    "DocumentFormat": one.format,
                    "Status": "Active",
                    **({"VersionName": one.name} if one.name else {}),
                }
                for one in reversed(stored.versions)
            ]
        }

    def list(self, request: Request) -> Answer:
        found = list(self._documents.values())
        for one in request.get("Filters", ()):
            found = [stored for stored in found if _passes(stored, one["Key"], one["Values"])]
        begin = int(request.get("NextToken") or 0)
        end = begin + request.get("MaxResults", 50)
        more = {"NextToken": str(end)} if end < len(found) else {}
        shown = [self._identifier(stored, stored.version("") or stored.versions[-1]) for stored in found[begin:end]]
        return {"DocumentIdentifiers": shown, **more}

    def _named(self, request: Request) -> Stored:
        found = self.found(request["Name"])
        if found is None:
            raise RefusedError("InvalidDocument", f"Document with name {request['Name']} does not exist.")
        return found

    def _of(self, stored: Stored, wanted: str) -> Version:
        found = stored.version(wanted)
        if found is None:
            message = f"The document {stored.name} has no version {wanted}."
            raise RefusedError("InvalidDocumentVersion", message)
        return found

    def _version(self, request: Request, number: int) -> Version:
        content, wanted = request["Content"], request.get("DocumentFormat", "JSON")
        if len(content.encode()) > MOST_BYTES:
            raise RefusedError("MaxDocumentSizeExceeded", "The size limit of a document is 64 KB.")
        if wanted == "JSON" and not _is_json(content):
            raise RefusedError("InvalidDocumentContent", "The content is not JSON, which is the format of the document.")
        if wanted == "TEXT":
            raise RefusedError("InvalidDocumentContent", "An Automation document is JSON or YAML.")
        if found := problems(content):
            more = f" And {len(found) - _MOST_SHOWN} more." if len(found) > _MOST_SHOWN else ""
            raise RefusedError("InvalidDocumentContent", ". ".join(str(one) for one in found[:_MOST_SHOWN]) + f".{more}")
        name = request.get("VersionName", "")
        return Version(number, content, wanted, name, self._clock.time(), document(read(content).data))

    def _identifier(self, stored: Stored, version: Version) -> Answer:
        named = {"VersionName": version.name} if version.name else {}
        return {
            "Name": stored.name,
            "CreatedDate": version.created,
            "Owner": get_account_id(),
            "PlatformTypes": ["Windows", "Linux", "MacOS"],
            "DocumentVersion": str(version.number),
            "DocumentType": "Automation",
            "SchemaVersion": "0.3",
            "DocumentFormat": version.format,
            **({"TargetType": stored.target_type} if stored.target_type else {}),
            "Tags": stored.tags,
            **named,
        }

    def _description(self, stored: Stored, version: Version) -> Answer:
        return {
            **self._identifier(stored, version),
            "Hash": hashlib.sha256(version.content.encode()).hexdigest(),
            "HashType": "Sha256",
            "Status": "Active",
            "Description": version.document.description,
            "Parameters": [
                {
                    "Name": one.name,
                    "Type": one.type,
                    "Description": one.description,
                    **({} if one.default is None else {"DefaultValue": _shown(one.default)}),
                }
                for one in version.document.parameters.values()
            ],
            "LatestVersion": str(stored.versions[-1].number),
            "DefaultVersion": str(stored.default),
        }


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_json(content: str) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _passes(stored: Stored, key: str, values: list[str]) -> bool:
    """Whether a document passes a filter of ListDocuments."""
    if key.startswith("tag:"):
        return any(tag["Key"] == key[4:] and tag["Value"] in values for tag in stored.tags)
    match key:
        case "Name":
            return any(stored.name.startswith(value) for value in values)
        case "Owner":
            return any(value in ("Self", "Private", "All") for value in values)
        case "DocumentType":
            return "Automation" in values
    raise RefusedError(
        "InvalidFilterKey", f"The local cloud filters documents by Name, Owner, DocumentType and tags, not by {key}."
    )


_MADE_OF = ("Attachments", "Content", "DocumentFormat", "DocumentType", "Requires", "TargetType", "VersionName")
"""The properties that a version of a document is made of."""


def replaces(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether CloudFormation makes another document when the properties change: with UpdateMethod Replace, the default.

    A document with a name of its own cannot be replaced.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ssm-document.html
    """
    in_place = new.get("UpdateMethod", "Replace") == "NewVersion"
    return old.get("Name") != new.get("Name") or (not in_place and _changed(old, new))


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return any(old.get(key) != new.get(key) for key in _MADE_OF)


def provision(client: Callable[[str], Any], physical_name: Callable[..., str]) -> dict[str, Any]:
    """AWS::SSM::Document, through this server's own API."""

    def request(properties: Mapping[str, Any], name: str) -> Request:
        content = properties["Content"]
        wanted = properties.get("DocumentFormat", "JSON")
        text = content if isinstance(content, str) else json.dumps(content) if wanted == "JSON" else yaml.safe_dump(content)
        optional = {key: properties[key] for key in ("TargetType", "VersionName") if key in properties}
        return {"Name": name, "Content": text, "DocumentFormat": wanted, **optional}

    def create(logical_id: str, properties: Mapping[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        name = properties.get("Name") or physical_name(stack, logical_id, max_len=128)
        tags = [tag for tag in properties.get("Tags", ()) if not tag["Key"].startswith("aws:")]
        made = {**request(properties, name), "DocumentType": properties.get("DocumentType", "Command")}
        client("ssm").create_document(**made, **({"Tags": tags} if tags else {}))
        return name, {}

    def update(
        ref: str, old: Mapping[str, Any], new: Mapping[str, Any], stack: str, logical_id: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        if replaces(old, new):  # the stack deletes the old one at its end
            made_anew: tuple[str, dict[str, Any]] = provisioners._seeded_create(create, logical_id or ref, new, stack)
            return made_anew
        if _changed(old, new):
            made = client("ssm").update_document(**request(new, ref), DocumentVersion="$LATEST")["DocumentDescription"]
            client("ssm").update_document_default_version(Name=ref, DocumentVersion=made["DocumentVersion"])
        return ref, {}

    def delete(ref: str, _: Mapping[str, Any]) -> None:
        client("ssm").delete_document(Name=ref)

    return {"create": create, "update": update, "delete": delete, "update_with_logical_id": True}
