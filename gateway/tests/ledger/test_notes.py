"""Signed notes: whoever has the public key can check a checkpoint."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from gateway.ledger import notes
from ndx_client.ledger import NotProven, VerifierKey, read_checkpoint, read_note

KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TEXT = notes.checkpoint_text("ndx.example/ledger", 3, b"\x01" * 32)


def test_a_checkpoint_has_the_three_lines_of_the_specification():
    assert TEXT.splitlines() == ["ndx.example/ledger", "3", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="]


def verifier(key: ed25519.Ed25519PrivateKey = KEY, name: str = "ndx.example/ledger") -> VerifierKey:
    return VerifierKey.parse(notes.verifier_key(name, key.public_key()))


def test_auditors_read_what_was_signed():
    note = notes.sign("ndx.example/ledger", KEY, TEXT)
    assert read_note(note, verifier()) == TEXT
    checkpoint = read_checkpoint(note, verifier())
    assert (checkpoint.size, checkpoint.root) == (3, b"\x01" * 32)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda note: note.replace("\n3\n", "\n4\n"), verifier()),
        (lambda note: note, verifier(ed25519.Ed25519PrivateKey.generate())),
        (lambda note: note, verifier(name="elsewhere")),
        (lambda note: note.partition("\n\n")[0], verifier()),
    ],
)
def test_a_changed_note_another_key_and_another_name_are_refused(change, key):
    with pytest.raises(NotProven):
        read_note(change(notes.sign("ndx.example/ledger", KEY, TEXT)), key)


def test_the_key_has_its_id():
    name, key_id, key = notes.verifier_key("ndx.example/ledger", KEY.public_key()).split("+", 2)
    assert (name, bytes.fromhex(key_id)) == (name, notes.key_id(name, KEY.public_key()))
    assert base64.b64decode(key)[:1] == b"\x01"
