"""Reads how to reach Temporal, from the variables that the SDK itself defines.

https://docs.temporal.io/develop/environment-configuration
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.env import boolean, malformed

# The project's own variables, of which the SDK knows nothing.
_OURS = re.compile("TEMPORAL_(PORT|UI_PORT|UI_URL|TASK_QUEUE|DEPLOYMENT_NAME|WORKER_BUILD_ID)")

_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([1-9][0-9]{0,4})")

# How the SDK writes the server's answer into the text of its error.
_STATUS = re.compile(r'code: (?P<code>\w+), message: "(?P<message>[^"]*)"')
# The end of what `why_unreachable` says of a server that answers, and does not let us in.
REFUSED = ("(Unauthenticated)", "(PermissionDenied)")
_CERTIFICATE = re.compile(r"InvalidCertificate\((\w+)")


def connect_options(default_address: str) -> Mapping[str, Any]:
    """Return the arguments for `Client.connect`: ``target_host``, ``namespace``, and what is set.

    Raises `ImproperlyConfigured` that names the variable which is malformed.
    """
    # The SDK takes a blank API key for a key, and a blank namespace for a name.
    variables = {
        name: value.strip()
        for name, value in os.environ.items()
        if name.startswith("TEMPORAL_") and value.strip() and not _OURS.fullmatch(name)
    }
    for name, value in variables.items():
        _check(name, value)
    if variables.keys() <= {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}:
        # Without the SDK: its import costs each process a quarter of a second and 20 MB.
        return {
            "target_host": variables.get("TEMPORAL_ADDRESS", default_address),
            "namespace": variables.get("TEMPORAL_NAMESPACE", "default"),
        }
    from temporalio.envconfig import ClientConfig

    if "TEMPORAL_TLS" in variables:
        # To the SDK, every word but "false" means true.
        variables["TEMPORAL_TLS"] = str(boolean("TEMPORAL_TLS", default=False)).lower()
    # The developer's own ~/.config/temporalio may hold the key of another cluster.
    file_asked_for = {"TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE"} & variables.keys()
    try:
        options = ClientConfig.load_client_connect_config(
            disable_file=not file_asked_for, override_env_vars=variables
        )
    except (OSError, RuntimeError, ValueError) as error:
        names = ", ".join(sorted(file_asked_for or variables.keys()))
        raise malformed(names, "…", f"a configuration that Temporal's SDK reads: {error}") from None
    if "target_host" not in options and (options.get("api_key") or options.get("tls")):
        why = "set: an API key or TLS is, which the development server does not know"
        raise malformed("TEMPORAL_ADDRESS", "", why)
    options.setdefault("target_host", default_address)
    options.setdefault("namespace", "default")
    return options


def why_unreachable(error: RuntimeError) -> str:
    """Say in short why `Client.connect` failed."""
    if "Connection refused" in str(error):
        return "nothing listens there"
    if certificate := _CERTIFICATE.search(str(error)):
        return f"its certificate is not accepted: {certificate[1]}"
    if "hyper::Error" in str(error):
        return "it broke off; does it take TLS, or a client's certificate?"
    if status := _STATUS.search(str(error)):
        return f"{status['message']} ({status['code']})"
    return str(error).removeprefix("Failed client connect: ")


def _check(name: str, value: str) -> None:
    if name == "TEMPORAL_ADDRESS":
        match = _ADDRESS.fullmatch(value)
        if not match or not 1 <= int(match[1]) <= 65535:
            raise malformed(name, value, "a host and a port such as 127.0.0.1:7233")
    elif name == "TEMPORAL_NAMESPACE" and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise malformed(name, value, "a name of letters, digits, dots, hyphens and underscores")
    elif (name == "TEMPORAL_CONFIG_FILE" or name.endswith("_PATH")) and not Path(value).is_file():
        raise malformed(name, value, "a file that exists")
