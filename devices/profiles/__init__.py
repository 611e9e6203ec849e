"""The folder of device profiles, one TOML file a model; devices/profile.py reads it."""
