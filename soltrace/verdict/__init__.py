"""Why a pass ended as it did, or took so long: a rule a file, each a pure function of what its records say.

Any side, any thread. The host asks when a pass ends, the readers when they have read one. A rule is silent unless the
evidence leaves no doubt: a verdict that is missing costs a look, a wrong one costs a day.
"""
