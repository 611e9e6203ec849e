"""The embedded MQTT front door: a sans-I/O codec for MQTT 3.1.1 and 5 and a broker that acknowledges after the disk."""

from hub.broker.limits import Limits
from hub.broker.server import Broker

__all__ = ["Broker", "Limits"]
