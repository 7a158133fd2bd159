"""How this process records: what `configure` is told, what a run is made of, and how the process ends.

Host side. It wires the other rooms together.
"""
