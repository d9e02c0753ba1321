"""Whether a call would be allowed, and why not: the rules of the exchange in plain words, without calling."""
