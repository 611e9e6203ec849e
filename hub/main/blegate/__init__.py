"""`linli gateway run`: a Linux box in a hut that reads real devices over Bluetooth and speaks Linli's MQTT.

The outbox and the line are those of `simulators/` (decision 0013): what a simulated night proves of them holds here.
"""
