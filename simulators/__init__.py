"""The outside world of a hub, simulated: people, huts, televisions and phones, over MQTT and HTTP only."""
