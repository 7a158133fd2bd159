"""The demonstration: fits a Lotka-Volterra model to measurements while its passes are watched."""
