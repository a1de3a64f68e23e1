"""The journal: facts are entered here once, under a condition, and read back by tag or in order. PostgreSQL."""
