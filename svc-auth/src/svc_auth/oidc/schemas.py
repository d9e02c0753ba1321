"""What the protocol's endpoints take and answer."""

from typing import Annotated, Any, Literal
from uuid import UUID

from ndx_contracts.bodies import Output
from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str | None, Field(max_length=2048)]


class AuthorizationQuery(BaseModel):
    """Query of an authorization request; what is missing or unsupported is answered by the protocol."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    client_id: Text = None
    redirect_uri: Text = None
    response_type: Text = None
    response_mode: Text = None
    scope: Text = None
    state: Text = None
    nonce: Text = None
    code_challenge: Text = None
    code_challenge_method: Text = None
    acr_values: Text = None
    prompt: Text = None
    ui_locales: Text = None
    request: Text = None
    request_uri: Text = None


class TokenForm(BaseModel):
    """Form of a token request (application/x-www-form-urlencoded)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    grant_type: Text = None
    client_id: Text = None
    code: Text = None
    redirect_uri: Text = None
    code_verifier: Text = None


class PageForm(BaseModel):
    """Form of the log-in page."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    transaction: Annotated[str, Field(max_length=16_384)] = ""
    token: Annotated[str, Field(max_length=128)] = ""
    handle: Annotated[str, Field(max_length=64)] = ""
    passcode: Annotated[str, Field(max_length=64)] = ""
    otp: Annotated[str, Field(max_length=16)] = ""


class TokensOut(Output):
    access_token: str
    id_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme, no secret
    expires_in: int
    scope: str


class UserinfoOut(Output):
    sub: UUID
    acr: str
    account_level: int


class JwksOut(Output):
    keys: tuple[dict[str, Any], ...]


class DiscoveryOut(Output):
    """OpenID Connect Discovery 1.0, and RFC 8414."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    scopes_supported: tuple[str, ...] = ("openid",)
    response_types_supported: tuple[str, ...] = ("code",)
    response_modes_supported: tuple[str, ...] = ("query",)
    grant_types_supported: tuple[str, ...] = ("authorization_code",)
    subject_types_supported: tuple[str, ...] = ("public",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("ES256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("none",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    acr_values_supported: tuple[str, ...] = ("1", "2")
    ui_locales_supported: tuple[str, ...] = ("vi", "en")
    claims_supported: tuple[str, ...] = (
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "acr",
        "amr",
        "nonce",
    )
    authorization_response_iss_parameter_supported: bool = True
    request_parameter_supported: bool = False
    request_uri_parameter_supported: bool = False
    claims_parameter_supported: bool = False
