"""Settings for the tests: development's, which lead to no running server.

So tests run beside a running stack, whatever the environment and ``.env`` say, and never meet its
servers, mails or heartbeats. Only ``DATABASE_URL`` counts: they make a database of their own there.
"""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = tempfile.mkdtemp(prefix="test-")
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)

for example in [ROOT / ".env.example", *ROOT.glob("*/.env.example")]:
    for name in re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", example.read_text(), re.MULTILINE):
        if name != "DATABASE_URL":
            # Nobody listens on port 1; set to nothing, a variable has its default.
            os.environ[name] = "1" if name.endswith("_PORT") else ""
os.environ |= {"DATA_DIR": DATA_DIR, "DJANGO_DEBUG": "true"}
# The stack in whose shell the tests may have been started.
for name in ("PC_SOCKET_PATH", "PC_PROC_NAME", "PC_REPLICA_NUM"):
    os.environ.pop(name, None)

from config.settings import *  # noqa: E402, F403

# So that `client.login` needs no request, and logins of many tests are not locked.
AXES_ENABLED = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
