"""The state folder: generations of the CA, keys that only their owner reads, passphrases."""

from pathlib import Path

import pytest
from cryptography import x509
from gateway.authorities import authority, files

OPERATORS = [("NDX", "an")]


def read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def issuer_of(file: Path) -> str:
    return read(file).issuer.rfc4514_string()


class TestGenerations:
    def test_the_newest_signs_callers_and_the_oldest_the_door(self, tmp_path: Path):
        files.make_files(tmp_path, OPERATORS)
        files.make_next_generation(tmp_path, None)
        files.make_files(tmp_path, [*OPERATORS, ("NDX", "new")])
        assert files.generation_names(tmp_path) == ["agency-ca", "agency-ca-2"]
        assert issuer_of(tmp_path / "gateway-public.crt") == "CN=ndx agency CA"
        assert issuer_of(tmp_path / "operators" / "NDX-an.crt") == "CN=ndx agency CA"
        assert issuer_of(tmp_path / "operators" / "NDX-new.crt") == "CN=ndx agency CA 2"
        bundle = x509.load_pem_x509_certificates((tmp_path / "gateway-ca.crt").read_bytes())
        assert [c.subject.rfc4514_string() for c in bundle] == ["CN=ndx agency CA 2", "CN=ndx agency CA"]

    def test_a_retired_one_leaves_no_key_and_is_never_made_again(self, tmp_path: Path):
        files.make_files(tmp_path, OPERATORS)
        files.make_next_generation(tmp_path, None)
        files.retire_generation(tmp_path, "agency-ca")
        files.make_files(tmp_path, OPERATORS)
        assert not list(tmp_path.rglob("agency-ca.key"))
        assert issuer_of(tmp_path / "gateway-public.crt") == "CN=ndx agency CA 2"
        assert files.make_next_generation(tmp_path, None).name == "agency-ca-3"

    def test_where_authorities_were_retired_a_missing_one_is_an_error(self, tmp_path: Path):
        files.make_files(tmp_path, OPERATORS)
        files.retire_generation(tmp_path, "agency-ca")
        with pytest.raises(FileNotFoundError):
            files.make_files(tmp_path, OPERATORS)

    def test_no_half_written_file_stays(self, tmp_path: Path):
        files.make_files(tmp_path, OPERATORS)
        assert list(tmp_path.rglob("*.new")) == []


class TestPassphrase:
    def test_a_key_made_open_is_locked_when_a_passphrase_is_set(self, tmp_path: Path):
        files.make_files(tmp_path, OPERATORS)
        first = read(tmp_path / "agency-ca.crt")
        files.make_files(tmp_path, OPERATORS, b"long and secret")
        for name in ("agency-ca", "internal-ca"):
            key = tmp_path / f"{name}.key"
            assert b"ENCRYPTED" in key.read_bytes()
            assert key.stat().st_mode & 0o777 == 0o600
        assert read(tmp_path / "agency-ca.crt") == first

    @pytest.mark.parametrize("wrong", [None, b"something else"])
    def test_without_the_right_one_nothing_is_signed(self, tmp_path: Path, wrong: bytes | None):
        files.make_files(tmp_path, OPERATORS, b"long and secret")
        with pytest.raises((ValueError, TypeError)) as refused:
            files.open_generation(tmp_path, "agency-ca", wrong)
        assert "long and secret" not in str(refused.value)

    def test_the_file_of_the_passphrase_may_end_with_a_line_break(self, tmp_path: Path):
        file = tmp_path / "passphrase"
        file.write_text("long and secret\n")
        assert authority.read_passphrase(file) == b"long and secret"


class TestDoor:
    def names(self, folder: Path) -> list[str]:
        found = read(folder / "gateway-public.crt").extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        return found.value.get_values_for_type(x509.DNSName)

    def test_it_is_known_by_each_name_that_callers_use_and_renewed_for_a_new_one(self, tmp_path: Path):
        files.make_files(tmp_path, OPERATORS, public_hosts=["ndx-envoy.ndx.svc"])
        assert "ndx-envoy.ndx.svc" in self.names(tmp_path)
        first = read(tmp_path / "gateway-public.crt").serial_number
        files.make_files(tmp_path, OPERATORS, public_hosts=["ndx-envoy.ndx.svc"])
        assert read(tmp_path / "gateway-public.crt").serial_number == first
        files.make_files(tmp_path, OPERATORS, public_hosts=["ndx-envoy.ndx.svc", "api.ndx.example"])
        assert {"localhost", "ndx-envoy.ndx.svc", "api.ndx.example"} <= set(self.names(tmp_path))
