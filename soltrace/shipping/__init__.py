"""The shipping room: spans and log records made again from the JSON log, and sent once the collector can be reached.

Apart from the program whose log it is: on a login node, or later. What is sent live and what is shipped are made by the
same code (`soltrace.sinks`, `soltrace.export.otlp_bytes`), so that they are the same.
"""
