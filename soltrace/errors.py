"""The errors that soltrace raises: all when something is given, none while a solve runs.

SoltraceError
├── ConfigurationError    an argument of configure(), or a variable of the environment
├── ExperimentError       an experiment used as it can't be
├── AttributeValueError   an attribute that a log line can't carry in any form
└── VersionError          a jax, diffrax or equinox that can't be traced

SoltraceWarning           telemetry does less than was asked for, and the solve goes on
"""


class SoltraceError(Exception):
    """Something given to soltrace can't be used."""


class ConfigurationError(SoltraceError, ValueError):
    """A setting is wrong."""


class ExperimentError(SoltraceError, RuntimeError):
    """An experiment is entered, left or named in a way that has no meaning."""


class AttributeValueError(SoltraceError, TypeError):
    """An attribute is no bool, int, float, str or list of them, and has no form that is made of such things."""


class VersionError(SoltraceError, ImportError):
    """A library that is installed is too old, or too new, for its solves to be traced."""


class SoltraceWarning(UserWarning):
    """Telemetry does less than was asked for; the solve goes on."""
