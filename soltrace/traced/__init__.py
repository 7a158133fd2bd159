"""The traced side: what a compiled program does. The only room that imports jax and diffrax.

Traced side. It tells `soltrace.host` and knows nothing of logs or spans.
"""

from soltrace.callers import CALLERS
from soltrace.callers.jit_key import KEY
from soltrace.host import enabled, register_barrier
from soltrace.traced.versions import explain, require

try:
    require()
    import jax

    from soltrace.traced.adjoint import TracedAdjoint
    from soltrace.traced.barrier import mark, programs_under_way, wait_for_programs
    from soltrace.traced.meter import ProgressMeter
    from soltrace.traced.shield import watch_garbage
    from soltrace.traced.solve import diffeqsolve
except (ImportError, AttributeError) as error:  # what a library no longer has
    raise explain(error) from error

__all__ = ["ProgressMeter", "TracedAdjoint", "diffeqsolve"]

register_barrier(wait_for_programs, mark)
CALLERS.programs = programs_under_way
watch_garbage()
if enabled():
    KEY.make(jax)  # where `import soltrace` could not, because jax was being imported then
