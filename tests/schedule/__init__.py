"""The real ledger code under a seeded virtual scheduler in which every outside operation is a step."""
