"""The verifier against values that others published, and against every way to cheat it."""

import base64
import hashlib
import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from ndx_client.ledger import (
    Bundle,
    NotProven,
    VerifierKey,
    leaf_hash,
    node_hash,
    read_note,
    root_from_path,
    verify,
)
from ndx_client.main import app
from typer.testing import CliRunner

# The tree of the Certificate Transparency reference implementation: eight leaves, the roots of the first n,
# and audit paths as its tests publish them.
LEAVES = [
    bytes.fromhex(h)
    for h in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
# The example of Go's package `sumdb/note`, from which C2SP signed-note comes.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
NEUMANN_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
NEUMANN_NOTE = f"{NEUMANN_TEXT}\n— PeterNeumann {NEUMANN_SIGNATURE}\n"


class TestPublishedValues:
    @pytest.mark.parametrize(("index", "size"), list(PATHS))
    def test_published_paths_lead_to_published_roots(self, index, size):
        path = [bytes.fromhex(part) for part in PATHS[index, size]]
        assert root_from_path(LEAVES[index], index, size, path).hex() == ROOTS[size]

    def test_a_published_note_is_read_with_its_published_key(self):
        assert read_note(NEUMANN_NOTE, VerifierKey.parse(NEUMANN)) == NEUMANN_TEXT

    def test_a_changed_word_is_noticed(self):
        with pytest.raises(NotProven, match="signature"):
            read_note(NEUMANN_NOTE.replace("answer", "answers"), VerifierKey.parse(NEUMANN))

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "PeterNeumann",
            NEUMANN.replace("c74f20a3", "c74f20a4"),
            NEUMANN.replace("+ARpc", "+AhpC"),
            "a+b+c",
        ],
    )
    def test_a_key_that_is_none_is_refused(self, key):
        with pytest.raises(NotProven):
            VerifierKey.parse(key)


def tree(leaves):
    """Return the root and all audit paths, by the definition of RFC 6962."""
    if len(leaves) == 1:
        return leaf_hash(leaves[0]), [[]]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    left, left_paths = tree(leaves[:split])
    right, right_paths = tree(leaves[split:])
    return node_hash(left, right), [*([*p, right] for p in left_paths), *([*p, left] for p in right_paths)]


class TestPaths:
    @given(st.integers(1, 80), st.data())
    def test_only_the_right_leaf_place_and_path_lead_to_the_root(self, size, data):
        leaves = [str(i).encode() for i in range(size)]
        root, paths = tree(leaves)
        index = data.draw(st.integers(0, size - 1))
        assert root_from_path(leaves[index], index, size, paths[index]) == root
        other = data.draw(st.integers(0, size - 1))
        for leaf, place, path in (
            (b"other", index, paths[index]),
            (leaves[index], other, paths[index]),
            (leaves[index], index, [*paths[index], b"x" * 32]),
            (leaves[index], index, paths[index][:-1]),
        ):
            if (leaf, place, path) == (leaves[index], index, paths[index]):
                continue
            try:
                assert root_from_path(leaf, place, size, path) != root
            except NotProven:
                continue

    def test_a_place_outside_the_tree_is_refused(self):
        with pytest.raises(NotProven, match="outside"):
            root_from_path(b"", 0, 0, [])


NAME = "ndx.example/ledger"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RAW = b"\x01" + KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
KEY_ID = hashlib.sha256(NAME.encode() + b"\n" + RAW).digest()[:4]
VERIFIER = f"{NAME}+{KEY_ID.hex()}+{base64.b64encode(RAW).decode()}"


def signed(size, root, origin=NAME):
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return f"{text}\n— {NAME} {base64.b64encode(KEY_ID + KEY.sign(text.encode())).decode()}\n"


def bundle_of(count=5, *, salt=""):
    ids = [UUID(int=n + 1) for n in range(count)]
    leaves = [
        json.dumps({"id": str(i), "agency": "H79.001", "operation": "population.get_person", "salt": salt})
        for i in ids
    ]
    root, paths = tree([leaf.encode() for leaf in leaves])
    return {
        "verifier_key": VERIFIER,
        "entries": [
            {
                "disclosure_id": str(ids[n]),
                "position": n,
                "leaf": leaves[n],
                "proof": [base64.b64encode(part).decode() for part in paths[n]],
                "checkpoint": signed(count, root),
            }
            for n in range(count)
        ],
    }


def faults(document):
    bundle = Bundle.model_validate(document)
    return [finding.fault for finding in verify(bundle, VerifierKey.parse(VERIFIER))]


class TestBundle:
    def test_what_the_ledger_signed_is_proven(self):
        assert faults(bundle_of()) == [None] * 5

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda e: e.update(leaf=e["leaf"].replace("H79", "H80")), "audit path"),
            (lambda e: e.update(position=e["position"] + 1), "audit path"),
            (lambda e: e.update(proof=e["proof"][:-1]), "too short"),
            (lambda e: e.update(proof=["%%%"]), "base64"),
            (lambda e: e.update(disclosure_id=str(uuid4())), "another disclosure"),
            (lambda e: e.update(checkpoint=e["checkpoint"].replace("\n5\n", "\n6\n")), "signature"),
            (lambda e: e.update(checkpoint=signed(5, b"x" * 32)), "audit path"),
            (lambda e: e.update(checkpoint=signed(5, b"x" * 32, origin="elsewhere")), "another log"),
            (lambda e: e.update(checkpoint=signed("05", b"x" * 32)), "no size"),
            (lambda e: e.update(checkpoint="nothing signed"), "not signed"),
        ],
    )
    def test_one_changed_thing_makes_one_entry_unproven(self, change, words):
        document = bundle_of()
        change(document["entries"][2])
        found = faults(document)
        assert words in found.pop(2)
        assert found == [None] * 4

    def test_two_trees_of_one_size_give_the_ledger_away(self):
        document = bundle_of()
        document["entries"][4] = bundle_of(salt="other")["entries"][4]
        assert "different views" in faults(document)[4]


class TestVerifyCommand:
    def run(self, tmp_path: Path, document, *more):
        file = tmp_path / "ledger.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        return CliRunner().invoke(app, ["ledger", "verify", str(file), *more])

    def test_it_says_what_is_proven_and_what_is_not(self, tmp_path):
        result = self.run(tmp_path, bundle_of(), "--key", VERIFIER)
        assert result.exit_code == 0
        assert "5 of 5 records are proven" in result.output
        assert "not proven: that the ledger holds every disclosure" in result.output
        assert "came with the bundle" not in result.output

    def test_without_a_key_of_ones_own_it_says_so(self, tmp_path):
        assert "came with the bundle" in self.run(tmp_path, bundle_of()).output

    def test_a_changed_record_makes_it_fail(self, tmp_path):
        document = bundle_of()
        document["entries"][0]["leaf"] = document["entries"][0]["leaf"].replace("H79.001", "B01")
        result = self.run(tmp_path, document)
        assert result.exit_code == 1
        assert "NOT PROVEN" in result.output
        assert "4 of 5 records are proven" in result.output

    @pytest.mark.parametrize("document", [{}, {"verifier_key": VERIFIER, "entries": []}, [], "x"])
    def test_what_is_no_bundle_is_said_to_be_none(self, tmp_path, document):
        result = self.run(tmp_path, document)
        assert result.exit_code == 2
        assert "is no bundle" in result.output

    def test_another_ledgers_key_proves_nothing(self, tmp_path):
        result = self.run(tmp_path, bundle_of(), "--key", NEUMANN)
        assert result.exit_code == 1
        assert "0 of 5 records are proven" in result.output
