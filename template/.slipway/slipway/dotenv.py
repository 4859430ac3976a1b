"""Reads `.env`, in the form that Django reads too (with django-environ, in `config/env.py`)."""

import re
from pathlib import Path

from slipway import Problem

# The two must never read a line differently. So whatever django-environ takes for something else
# is refused here: blanks before the name or the `=`, a `#` in a value without quotes, a `#` in or
# after double quotes, double quotes within single ones.
_LINE = re.compile(
    r"""(?:export\ )?([A-Za-z_][A-Za-z0-9_]*)=\s*
    (?:'(?!".*"')([^']*)'\s*(?:\#[^']*)?|"((?:[^"\\#]|\\[^#])*)"|([^\s'"#]*)(?:\s+\#.*)?)""",
    re.VERBOSE,
)
_FORM = """\
A line of .env has the form NAME=value, and a comment may follow. In quotes if the value holds
spaces or a #: NAME='a value'"""


def read(file: Path) -> dict[str, str]:
    """Return the variables of *file*; none if it is not there.

    Raises `Problem` that names each line which Django would not read, or not as it seems.
    """
    values, bad = {}, []
    try:
        # -sig: some editors begin a file with a mark.
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{file} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := _LINE.fullmatch(line.rstrip()):
            name, single, double, bare = match.groups()
            if double is not None:
                double = re.sub(r"\\([^rnt])", r"\1", double)
            values[name] = next(v for v in (single, double, bare) if v is not None)
        else:
            bad.append(f".env, line {number}: {line.strip()}")
    if bad:
        raise Problem("\n".join([*bad, _FORM]))
    return values
