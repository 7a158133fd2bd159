"""The live view at hand: in the terminal or the notebook where the solve itself runs.

Host side. It is a reader of records like `soltrace tail`, in the same process: it has a thread of its own, no solve
waits for it, and what goes wrong in it is said once and costs a solve nothing.
"""
