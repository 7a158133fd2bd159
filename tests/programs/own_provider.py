"""A script with tracing of its own and adjoints of its own choice: a span around solves that are not compiled."""

import os

import diffrax
import jax
import jax.numpy as jnp
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": os.environ["CALIBRATION_SERVICE"]}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["CALIBRATION_TRACES"])))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("calibration")

term = diffrax.ODETerm(lambda t, y, rate: -rate * y)
solver = diffrax.Heun()


def remaining(rate, adjoint):
    return diffrax.diffeqsolve(term, solver, 0.0, 1.0, 0.1, jnp.array(1.0), rate, adjoint=adjoint).ys[0]


for adjoint in (diffrax.DirectAdjoint(), diffrax.BacksolveAdjoint()):
    with tracer.start_as_current_span("calibrate"):
        value, slope = jax.value_and_grad(remaining)(jnp.array(0.5), adjoint)
        print(float(value), float(slope))
