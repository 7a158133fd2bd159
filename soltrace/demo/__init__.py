"""The demonstration: a Lotka-Volterra model is fitted to measurements, and its passes are watched."""
