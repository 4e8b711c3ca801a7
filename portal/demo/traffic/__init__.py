"""Traffic for the demo network and for benchmarks: believable, and written as fast as PostgreSQL takes it."""

from __future__ import annotations

from portal.demo.traffic.load import Loaded, NobodyToSend, TrafficExists, load_traffic

__all__ = ["Loaded", "NobodyToSend", "TrafficExists", "load_traffic"]
