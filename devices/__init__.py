"""Devices: what a thing in the hut says, and what it means. Standard library only; no network, no database."""
