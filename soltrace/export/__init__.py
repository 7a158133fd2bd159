"""OpenTelemetry's SDK, set up where the program has not done so: providers, exporters, and a count of what they lost.

Host side. The only room that imports the SDK, and it does so only once `configure` or the environment asks for it: that
is why this file imports nothing. `environment` tells what is asked for, `providers` sets it up, and `registry` is what
the other rooms talk to.
"""
