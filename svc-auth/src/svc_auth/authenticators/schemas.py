"""What the holder sends to activate an account and gets once."""

from typing import Annotated, Literal
from uuid import UUID

from ndx_contracts.bodies import Input, Output
from pydantic import SecretStr, StringConstraints

Handle = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class ActivationIn(Input):
    """The personal ID, the code handed over at the office, and the passcode that the holder chooses."""

    handle: Handle
    activation_code: SecretStr
    passcode: SecretStr
    """Six digits."""


class ActivationOut(Output):
    """The secret of the one-time password: shown once, to be kept in an authenticator app (RFC 6238)."""

    account_id: UUID
    totp_secret: str
    totp_uri: str
    algorithm: Literal["SHA1"] = "SHA1"
    digits: Literal[6] = 6
    period: Literal[30] = 30
