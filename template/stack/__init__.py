"""Runs the project's processes: `python -m stack up`, `wait`, `status`, `down`, …

Only the standard library is used, so that it works before `uv sync` has run.
"""
