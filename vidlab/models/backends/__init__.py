"""One adapter per runtime; each imports its framework only when it is used."""
