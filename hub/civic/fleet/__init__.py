"""The fleet: devices from the label to the scrap heap, their papers, what they were told, and why one is held back."""

from __future__ import annotations
