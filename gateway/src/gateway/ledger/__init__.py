"""The accountability ledger: every disclosure of every service, in one append-only Merkle tree."""
