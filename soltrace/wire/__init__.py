"""What all rooms share: records as types and as plain values, their names, what they may carry, and what may be lost.

It imports none of the other rooms, and no library of telemetry or of numerics but numpy.
"""
