"""A night of the hub on virtual time: the shipped code, every fault of the outside world, one seed.

    night = Night(seed=7, minutes=15)
    played = night.play()          # trace, its hash, and what the oracle found wrong

`linli replay SEED` prints one; `tests/sim` plays many.
"""
