"""Points: a ledger of postings that cannot lie, and the catalogue that says what an act is worth."""
