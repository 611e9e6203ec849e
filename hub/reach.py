"""The transactional outbox (written by the notices builder)."""
