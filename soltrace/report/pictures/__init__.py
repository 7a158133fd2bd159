"""Logs as files of other tools: Perfetto's traces, speedscope's profiles, TensorBoard's events. One file a tool."""
