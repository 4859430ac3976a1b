"""Where a browser finds a local port: on localhost, or behind a Codespace's forwarded address."""

from config.env import text

# The name of this Codespace, whose ports are reached through a public proxy; or nothing.
CODESPACE = text("CODESPACE_NAME")


def host(port: int) -> str:
    """The host name under which a browser reaches ``port``, for example in ALLOWED_HOSTS."""
    domain = text("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", "app.github.dev")
    return f"{CODESPACE}-{port}.{domain}" if CODESPACE else "localhost"


def address(port: int) -> str:
    """The address under which a browser reaches ``port``, without a slash at its end."""
    return f"https://{host(port)}" if CODESPACE else f"http://localhost:{port}"
