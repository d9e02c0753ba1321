"""Signed notes: whoever has the public key can check a checkpoint."""

from cryptography.hazmat.primitives.asymmetric import ed25519
from gateway.ledger import notes

KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TEXT = notes.checkpoint_text("ndx.example/ledger", 3, b"\x01" * 32)


def test_a_checkpoint_has_the_three_lines_of_the_specification():
    assert TEXT.splitlines() == ["ndx.example/ledger", "3", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="]


def test_a_signed_note_gives_its_text_back():
    note = notes.sign("ndx.example/ledger", KEY, TEXT)
    assert notes.verify("ndx.example/ledger", KEY.public_key(), note) == TEXT


def test_a_changed_note_another_key_and_another_name_are_refused():
    note = notes.sign("ndx.example/ledger", KEY, TEXT)
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    assert notes.verify("ndx.example/ledger", KEY.public_key(), note.replace("\n3\n", "\n4\n")) is None
    assert notes.verify("ndx.example/ledger", other, note) is None
    assert notes.verify("elsewhere", KEY.public_key(), note) is None
    assert notes.verify("ndx.example/ledger", KEY.public_key(), "no note") is None


def test_broken_base64_is_refused_not_raised():
    assert notes.verify("n", KEY.public_key(), "text\n\n— n %%%\n") is None
