"""Names of the headers on the bus."""

AGENCY = "NDX-Agency"
SYSTEM = "NDX-System"
AGENCY_CLASS = "NDX-Agency-Class"
OPERATOR = "NDX-Operator"
AGREEMENT = "NDX-Agreement"
CERTIFICATE = "NDX-Certificate"
"""SHA-256 fingerprint (hex) of the caller's certificate; only calls to the control plane itself carry it."""
CITIZEN = "NDX-Citizen"
ACR = "NDX-Acr"
PURPOSE = "NDX-Purpose"
CASE_ID = "NDX-Case-Id"
OFFICER = "NDX-Officer"
REQUEST_ID = "NDX-Request-Id"
IDEMPOTENCY_KEY = "Idempotency-Key"

SET_BY_GATEWAY: tuple[str, ...] = (
    AGENCY,
    SYSTEM,
    AGENCY_CLASS,
    OPERATOR,
    AGREEMENT,
    CERTIFICATE,
    CITIZEN,
    ACR,
)
"""Headers that say who calls: stripped from every inbound request and set by the gateway alone."""
