"""What to do next, by problem code: the words that the command line and the exceptions add to a refusal."""

from ndx_contracts.refusals import BY_CODE

_RETRY = "Try again in a moment; with the same Idempotency-Key nothing happens twice."
_ADVICE: dict[str, str] = {
    "service-unavailable": _RETRY,
    "internal-error": "Give the trace id to the operator of the exchange.",
    "malformed-json": "The body is not JSON: check quotes, commas and brackets.",
    "invalid-input": "Correct the members listed below.",
    "role-missing": "Ask somebody who has the role, or have it given to you.",
    "four-eyes": "An approver of the providing agency who did not draft the agreement must decide.",
    "enrolment-code-invalid": "A code works once and for seven days: ask the operator for a new one.",
    "csr-refused": "Make a new key and request: ndx enrol does both.",
    "agreement-step-refused": "Run: ndx agreements show — its state says which step comes next.",
    "agreement-version-conflict": "Run: ndx agreements show — read what changed, then decide again.",
    "agreement-version-missing": "Run: ndx agreements show — and give --seen what it prints.",
    "agreement-version-not-found": "Run: ndx agreements show --versions",
    "agreement-terms-refused": "Correct the file; ndx services and ndx operations list what exists.",
    "agreement-not-found": "Run: ndx agreements list",
    "agency-not-found": "Run: ndx agencies list",
    "agency-closed": "A closed agency stays closed; register its successor under another code.",
    "agency-in-use": "End or amend those agreements first, or decide to with --cut-off.",
    "certificate-not-renewable": "Ask the operator for a new enrolment code, then run: ndx enrol",
    "certificate-limit-reached": "Run: ndx certificate list — and revoke one that is not used any more.",
    "authority-not-found": "Run: ndx ca list",
    "authority-exists": "Run: ndx ca list",
    "authority-in-use": "Run: ndx ca waiting — and remind them, or retire with --cut-off.",
    "rotation-refused": "Run: ndx ca list — one rotation at a time; the issuing authority is never retired.",
    "revocation-list-refused": "Fetch the authority's newest complete list; PEM: openssl crl -inform DER.",
    "feed-not-covered": "Run: ndx feed types — the agreement has to grant the operation named there.",
    "feed-event-type-unknown": "Run: ndx feed types",
    "feed-subscription-not-found": "Run: ndx feed list",
    "feed-step-refused": "Run: ndx feed show — its state says what is possible.",
    "feed-cursor-invalid": "Acknowledge the next_cursor of a page that you got.",
    "feed-delivery-mismatch": "Pull what is delivered by PULL; ping what is delivered by PUSH.",
    "feed-limit-reached": "Run: ndx feed end, or ndx feed interest remove.",
    "certificate-not-found": "Run: ndx certificates list",
}


def next_step(code: str) -> str:
    """Return the advice for a code, empty when the problem's own words must do."""
    listed = BY_CODE.get(code)
    return _ADVICE.get(code, "" if listed is None else listed.remedy)
