"""Programs that say nothing of soltrace, traced all the same: what `soltrace run` and OpenTelemetry's own way share.

Host side, on the caller's thread. Nothing here imports jax or diffrax before the program does.
"""
