"""Log-in transactions: from the request of a relying party to a proved holder."""
