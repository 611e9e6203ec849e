"""Vendors as data: one TOML for each foreign way in, an MQTT topic or a webhook (devices/vendor.py reads them)."""
