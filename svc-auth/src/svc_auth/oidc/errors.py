"""Refusals of the protocol: on a page, by redirection, or as OAuth's JSON; each says what to change."""

from typing import ClassVar

from ndx_chassis.errors import DomainError, Kind


class AuthorizationPageError(DomainError):
    """The request cannot be trusted to name its own redirect URI, so the browser stays here."""


class ClientUnknown(AuthorizationPageError):
    code = "client-unknown"
    title = "The service that sent you here is not registered"
    title_vi = "Dịch vụ chuyển bạn đến đây chưa được đăng ký"


class RedirectUriMismatch(AuthorizationPageError):
    code = "redirect-uri-mismatch"
    title = "The return address is not registered for this service"
    title_vi = "Địa chỉ quay lại không được đăng ký cho dịch vụ này"


class AuthorizationRefused(DomainError):
    """Told to the relying party at its redirect URI (RFC 6749, section 4.1.2.1)."""

    code = "authorization-refused"
    title = "The authorization request is refused"
    title_vi = "Yêu cầu đăng nhập bị từ chối"

    def __init__(self, error: str, description: str, *, redirect_uri: str, state: str | None) -> None:
        super().__init__(description)
        self.error = error
        self.redirect_uri = redirect_uri
        self.state = state


class OAuthError(DomainError):
    """Answered as JSON with `error` and `error_description` (RFC 6749, section 5.2)."""

    error: ClassVar[str] = "invalid_request"


class TokenRequestInvalid(OAuthError):
    code = "token-request-invalid"
    title = "The token request is not complete"
    title_vi = "Yêu cầu cấp mã thông báo không đầy đủ"


class GrantTypeUnsupported(OAuthError):
    error = "unsupported_grant_type"
    code = "grant-type-unsupported"
    title = "Only authorization_code is supported"
    title_vi = "Chỉ hỗ trợ authorization_code"


class TokenClientUnknown(OAuthError):
    kind = Kind.UNAUTHENTICATED
    error = "invalid_client"
    code = "token-client-unknown"
    title = "The client is not registered"
    title_vi = "Ứng dụng chưa được đăng ký"


class GrantInvalid(OAuthError):
    error = "invalid_grant"
    code = "grant-invalid"
    title = "The authorization code cannot be redeemed"
    title_vi = "Mã ủy quyền không dùng được"


class AccessTokenInvalid(OAuthError):
    kind = Kind.UNAUTHENTICATED
    error = "invalid_token"
    code = "access-token-invalid"
    title = "The access token is missing, expired or revoked"
    title_vi = "Mã truy cập thiếu, hết hạn hoặc đã bị thu hồi"
