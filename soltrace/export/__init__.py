"""OpenTelemetry's SDK, set up where the program has not done so: providers, batches, exporters, and what they lost.

Host side. The only room that imports the SDK, and only when `configure` or the environment asks for it: so this file
imports nothing. `environment` says what is asked for, `setup` does it.
"""
