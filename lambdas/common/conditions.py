"""DynamoDB's conditions."""

from botocore.exceptions import ClientError


def refused(error: Exception) -> bool:
    """Whether DynamoDB refused a write because its condition did not hold."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == "ConditionalCheckFailedException"
