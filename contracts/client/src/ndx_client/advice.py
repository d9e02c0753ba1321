"""What to do next, by problem code: the words that the command line and the exceptions add to a refusal."""

_RETRY = "Try again in a moment; with the same Idempotency-Key nothing happens twice."
_ADVICE: dict[str, str] = {
    "certificate-required": "Call with your system's certificate: set NDX_CERT and NDX_KEY.",
    "certificate-revoked": "Ask the operator for a new enrolment code, then run: ndx certificate request",
    "agency-unknown": "Your certificate names no enrolled system: ask the operator to enrol it.",
    "agency-suspended": "Your agency is suspended: ask the operator of the exchange why.",
    "operator-required": "Use an operator's certificate for this.",
    "no-agreement": "Run: ndx allowed — it lists what you may call. More needs a data-sharing agreement.",
    "purpose-missing": "Say what the data is for: --purpose, header NDX-Purpose.",
    "purpose-not-covered": "Run: ndx allowed — it lists the purposes that your agreement covers.",
    "agreement-suspended": "The agreement is suspended: ask the providing agency or the operator why.",
    "agreement-expired": "The agreement is over: ask for a new one.",
    "outside-admin-scope": "This person does not belong to the provinces and communes of your agreement.",
    "field-group-not-covered": "Ask for fewer fields: ndx allowed lists the field groups that are covered.",
    "consent-missing": "The person must consent first.",
    "officer-missing": "Name the officer who asks: --officer, header NDX-Officer.",
    "case-missing": "Name the case that needs the data: --case, header NDX-Case-Id.",
    "operation-unknown": "Check the method and the path; ndx allowed shows both.",
    "method-not-allowed": "Check the method; ndx allowed shows it.",
    "payload-too-large": "Send less in one call.",
    "burst-exceeded": "Slow down: wait for the seconds in Retry-After.",
    "daily-quota-exceeded": "Today's quota is used up: go on tomorrow or ask for a larger one.",
    "provider-unavailable": _RETRY,
    "provider-timeout": _RETRY,
    "circuit-open": _RETRY,
    "service-unavailable": _RETRY,
    "internal-error": "Give the trace id to the operator of the exchange.",
    "malformed-json": "The body is not JSON: check quotes, commas and brackets.",
    "invalid-input": "Correct the members listed below.",
    "role-missing": "Ask somebody who has the role, or have it given to you.",
    "four-eyes": "An approver of the providing agency who did not draft the agreement must decide.",
    "enrolment-code-invalid": "A code works once and for seven days: ask the operator for a new one.",
    "csr-refused": "Make a new key and request: ndx certificate request does both.",
    "agreement-step-refused": "Run: ndx agreements show — its state says which step comes next.",
    "agreement-version-conflict": "Run: ndx agreements show — read what changed, then decide again.",
    "agreement-version-not-found": "Run: ndx agreements show --versions",
    "agreement-terms-refused": "Correct the file; ndx services and ndx operations list what exists.",
    "agreement-not-found": "Run: ndx agreements list",
    "agency-not-found": "Run: ndx agencies list",
    "certificate-not-found": "Run: ndx certificates list",
}


def next_step(code: str) -> str:
    """Return the advice for a code, empty when the problem's own words must do."""
    return _ADVICE.get(code, "")
