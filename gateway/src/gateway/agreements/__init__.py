"""Data-sharing agreements: who may ask what, decided by two people."""
