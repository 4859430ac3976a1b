"""Temporal's settings, included by `config/settings`. See `workflows/.env.example`."""

from config import forwarding
from config.env import malformed, port, text, url
from workflows.connection import connect_options

# What Client.connect() takes: the server's address, the namespace, API key, TLS. With "API" in its
# name, Django leaves it out of error reports.
TEMPORAL_API_OPTIONS = connect_options(f"127.0.0.1:{port('TEMPORAL_PORT', 7233)}")

# Workers take their work from this queue, and e-mails from another that is named after it.
TEMPORAL_TASK_QUEUE = text("TEMPORAL_TASK_QUEUE", f"{PROJECT_NAME}-tasks")

# Worker versioning. Temporal's own controller for Kubernetes sets these variables too.
TEMPORAL_DEPLOYMENT_NAME = text("TEMPORAL_DEPLOYMENT_NAME", PROJECT_NAME)
TEMPORAL_BUILD_ID = text("TEMPORAL_WORKER_BUILD_ID")
if TEMPORAL_BUILD_ID and "." in TEMPORAL_DEPLOYMENT_NAME:
    raise malformed("TEMPORAL_DEPLOYMENT_NAME", TEMPORAL_DEPLOYMENT_NAME, "a name without dots")

# Where a browser finds Temporal's UI, if anywhere. Development has its own.
TEMPORAL_UI_URL = ""
if DEBUG or text("TEMPORAL_UI_URL"):
    development = forwarding.address(port("TEMPORAL_UI_PORT", 8080))
    TEMPORAL_UI_URL = url("TEMPORAL_UI_URL", development, ("http", "https")).rstrip("/")
