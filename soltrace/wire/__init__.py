"""What all rooms share: the records that one hands to the next, their names, and the values they may carry.

It imports none of the other rooms, and no library of telemetry or of numerics but numpy.
"""
