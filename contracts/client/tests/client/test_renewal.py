"""A renewal in place: whole files, and a broken-off one that goes on where it stopped."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ndx_client import keys, renewal
from ndx_client.models import Issued

NAME = x509.Name([])


class Exchange:
    """Signs what it is asked for, and remembers for which keys."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.asked: list[bytes] = []

    def __call__(self, csr: str) -> Issued:
        request = x509.load_pem_x509_csr(csr.encode())
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(NAME)
            .issuer_name(NAME)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        pem = made.public_bytes(serialization.Encoding.PEM).decode()
        self.asked.append(made.public_key().public_bytes(*SPKI))
        return Issued(
            certificate_pem=pem,
            ca_pem="",
            gateway_ca_pem="new CAs",
            serial="1",
            fingerprint_sha256="",
            not_after="",
        )


SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "his.crt", tmp_path / "his.key"
    keys.write_secret(key, keys.key_pem(keys.new_key()))
    certificate.write_text(Exchange()(keys.request_pem(keys.read_key(key), "his")).certificate_pem)
    return certificate, key


def belong(certificate: Path, key: Path) -> bool:
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    return made.public_key() == keys.read_key(key).public_key()


def test_key_certificate_and_ca_are_replaced(pair: tuple[Path, Path], tmp_path: Path):
    before = pair[1].read_bytes()
    renewal.renew(*pair, tmp_path / "ca.crt", Exchange())
    assert belong(*pair)
    assert pair[1].read_bytes() != before
    assert stat.S_IMODE(pair[1].stat().st_mode) == 0o600
    assert (tmp_path / "ca.crt").read_text() == "new CAs"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ca.crt", "his.crt", "his.key"]


def test_after_a_lost_answer_the_same_key_is_asked_for_again(pair: tuple[Path, Path]):
    exchange = Exchange()

    def lost(csr: str) -> Issued:
        exchange(csr)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        renewal.renew(*pair, None, lost)
    assert belong(*pair)
    renewal.renew(*pair, None, exchange)
    assert belong(*pair)
    assert exchange.asked[0] == exchange.asked[1]


@pytest.mark.parametrize("replaced_before_the_end", [0, 1])
def test_one_that_was_broken_off_between_its_files_is_finished(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, replaced_before_the_end: int
):
    done: list[Path] = []
    replace = Path.replace

    def breaks_off(self: Path, target: Path) -> Path:
        if self.name.endswith(".next"):
            if len(done) == replaced_before_the_end:
                raise KeyboardInterrupt
            done.append(self)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        renewal.renew(*pair, None, Exchange())
    monkeypatch.undo()
    assert renewal.finish(*pair)
    assert belong(*pair)
    assert not renewal.finish(*pair)


def test_a_certificate_of_another_key_is_not_taken(pair: tuple[Path, Path]):
    exchange = Exchange()
    other = keys.request_pem(keys.new_key(), "x")
    with pytest.raises(ValueError, match="another key"):
        renewal.renew(*pair, None, lambda _: exchange(other))
    assert belong(*pair)
