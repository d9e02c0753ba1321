"""Settings that say nothing without another one are refused, not forgotten."""

import pytest
from ndx_chassis.settings import KafkaSettings, ServiceSettings
from pydantic import ValidationError
from pydantic_settings import BaseSettings


@pytest.mark.parametrize(
    ("kind", "alone", "certificate"),
    [
        (ServiceSettings, "NDX_TLS_KEY_FILE", "NDX_TLS_CERT_FILE"),
        (ServiceSettings, "NDX_TLS_CLIENT_CA_FILE", "NDX_TLS_CERT_FILE"),
        (ServiceSettings, "NDX_AGENCY_KEY_FILE", "NDX_AGENCY_CERT_FILE"),
        (KafkaSettings, "KAFKA_KEY_FILE", "KAFKA_CERT_FILE"),
    ],
)
def test_a_key_without_its_certificate_is_said_at_the_start(
    kind: type[BaseSettings], alone: str, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(alone, "/etc/ndx/tls.key")
    with pytest.raises(ValidationError, match=certificate.partition("_")[2]):
        kind()
    monkeypatch.setenv(certificate, "/etc/ndx/tls.crt")
    kind()
