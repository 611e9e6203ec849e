"""A package, so that pytest puts the checkout on the path. No folder below is one: tests/hub would hide our hub."""
