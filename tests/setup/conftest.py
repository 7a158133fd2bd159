"""Programs in processes of their own, and the backends that they export to: as the tests of `soltrace.export` have."""

from tests.export.conftest import backend, grpc_backend, lines, run

__all__ = ["backend", "grpc_backend", "lines", "run"]
