"""What boto3 raises, by one name."""

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

# No answer, a refusal, or an upload that broke. None of them says anything of an object's content:
# missing rights, throttling and 5xx are to be tried again.
AWS_ERRORS = (BotoCoreError, ClientError, Boto3Error)
