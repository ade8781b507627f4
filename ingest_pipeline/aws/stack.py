"""A CloudFormation stack: made, changed, forgotten, and given what exists already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from ingest_pipeline.errors import IngestError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import ResourceToImportTypeDef

_POLL = {"Delay": 1, "MaxAttempts": 60}  # seconds; boto3's own 30 s suit a distant AWS
_IMPORT = "take-over"  # name of the change set


class StackError(IngestError):
    """CloudFormation did not get where it should; the message has its reasons, newest first."""


@dataclass(frozen=True)
class Existing:
    """What exists already and becomes a part of a stack."""

    id: str  # logical, in the template
    type: str
    identity: Mapping[str, str]  # what CloudFormation knows it by


@dataclass(frozen=True)
class Stack:
    """A stack by name. What changes it waits until it is done.

    Raises on changing:
        StackError: it is not done, after a minute or by CloudFormation's own word.
        ClientError: CloudFormation refuses.
    """

    cloudformation: "CloudFormationClient"
    name: str

    def status(self) -> str | None:
        """CloudFormation's word for its state; None: there is no such stack."""
        try:
            found = self.cloudformation.describe_stacks(StackName=self.name)
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return found["Stacks"][0]["StackStatus"]

    def resource_ids(self) -> set[str]:
        """The logical ids of what the stack holds."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(
            StackName=self.name
        )
        return {
            resource["LogicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
        }

    def forget(self) -> None:
        """Delete the stack, if there is one; what its template retains stays."""
        if self.status() is None:
            return
        self.cloudformation.delete_stack(StackName=self.name)
        self._wait("stack_delete_complete")

    def take_over(self, existing: Sequence[Existing], template: str) -> None:
        """Make the stack of what exists already; the template describes just that."""
        resources: list[ResourceToImportTypeDef] = [
            {
                "ResourceType": each.type,
                "LogicalResourceId": each.id,
                "ResourceIdentifier": each.identity,
            }
            for each in existing
        ]
        self.cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=_IMPORT,
            ChangeSetType="IMPORT",
            ResourcesToImport=resources,
            TemplateBody=template,
        )
        self._wait("change_set_create_complete", ChangeSetName=_IMPORT)
        self.cloudformation.execute_change_set(StackName=self.name, ChangeSetName=_IMPORT)
        self._wait("stack_import_complete")

    def apply(self, template: str, parameters: Mapping[str, str]) -> None:
        """Make the stack, or change the one that is there, to what the template says."""
        request: dict[str, Any] = {
            "StackName": self.name,
            "TemplateBody": template,
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            "Capabilities": ["CAPABILITY_IAM"],
        }
        if self.status() is None:
            self.cloudformation.create_stack(**request)
            self._wait("stack_create_complete")
            return
        try:
            self.cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
        else:
            self._wait("stack_update_complete")

    def _wait(self, waiter: Any, **request: str) -> None:  # noqa: ANN401 - a literal of many
        try:
            self.cloudformation.get_waiter(waiter).wait(
                StackName=self.name, WaiterConfig=_POLL, **request
            )
        except WaiterError as error:
            raise StackError(f"{waiter} never came: {self._failures()}") from error

    def _failures(self) -> str:
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return "; ".join(
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in events
            if event["ResourceStatus"].endswith("FAILED")
        )
