"""The commands behind `just`: `python3 .slipway up`, `wait`, `status`, `down`, …

Only the standard library is used, so that it works before `uv sync` has run. A package, because
modules beside `__main__.py` would shadow the project's own, such as a `client.py`.
"""


class Problem(Exception):
    """What is wrong, where, and what to do about it. Shown to the user without a traceback."""
