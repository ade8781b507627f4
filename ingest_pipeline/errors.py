"""What this project raises on purpose: one root, so that who cannot tell more catches one name.

    IngestError              anything of ours; its text is for people
    ├── MistakeError         a person has something to mend: a setting, a rule, a port in use
    ├── RefusedError         the object or the request is at fault: trying again comes to the same
    ├── ChangedError         the object is not, or no longer, the version that was meant
    └── TransientError       the surroundings failed: the same may go well later

What boto3 raises is in the tree as it is: `aws.errors.AWS_ERRORS` names it.
"""


class IngestError(Exception):
    """Anything that this project raises on purpose."""


class MistakeError(IngestError):
    """A person has something to mend; the text says what was found and what is wanted."""


class RefusedError(IngestError):
    """The object or the request is at fault: trying again comes to the same."""


class ChangedError(IngestError):
    """The object is not, or no longer, the version that was meant."""


class TransientError(IngestError):
    """The surroundings failed, not the object: the same may go well later."""
