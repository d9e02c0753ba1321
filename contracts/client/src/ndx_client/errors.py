"""What can go wrong with a call, each with its cause and what to do next."""

from ndx_contracts.problems import FieldProblem, Problem

from ndx_client.advice import next_step


class ClientError(Exception):
    """A call that gave no answer to use; `advice` says what to do next."""

    advice = ""


class NotConfigured(ClientError):
    """A setting or file that the call needs is missing."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


class GatewayUnreachable(ClientError):
    """No connection, or no answer in time."""

    advice = "Check NDX_GATEWAY_URL, the network, and whether the gateway runs; then try again."


class CertificateNotAccepted(ClientError):
    """The TLS handshake failed: their certificate here, or ours there."""

    advice = (
        "Check that NDX_CA is the exchange's CA, and that NDX_CERT and NDX_KEY belong together, "
        "come from this exchange, and are neither expired nor revoked."
    )


class Refused(ClientError):
    """The exchange or the provider answered with a problem document (RFC 9457)."""

    def __init__(self, problem: Problem, *, retry_after: int | None = None) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        self.problem = problem
        self.retry_after = retry_after
        self.advice = next_step(problem.code)

    @property
    def status(self) -> int:
        return self.problem.status

    @property
    def code(self) -> str:
        return self.problem.code

    @property
    def errors(self) -> tuple[FieldProblem, ...]:
        return self.problem.errors
