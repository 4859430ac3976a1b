"""Where a browser finds a local port: on localhost, or behind a Codespace's forwarded address.

Codespaces sets these variables:
https://docs.github.com/en/codespaces/developing-in-a-codespace/default-environment-variables-for-your-codespace
"""

from config.env import text


def is_forwarded() -> bool:
    """Whether this machine is a Codespace, whose ports are reached through a public proxy."""
    return bool(text("CODESPACE_NAME"))


def host(port: int) -> str:
    """The host name under which a browser reaches ``port``, for example in ALLOWED_HOSTS."""
    if not is_forwarded():
        return "localhost"
    domain = text("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN") or "app.github.dev"
    return f"{text('CODESPACE_NAME')}-{port}.{domain}"


def address(port: int) -> str:
    """The address under which a browser reaches ``port``, without a slash at its end."""
    return f"https://{host(port)}" if is_forwarded() else f"http://localhost:{port}"


def origins(port: int) -> list[str]:
    """What a form on a page of ``port`` may name as its origin.

    On their way through a Codespace's proxy, or a tunnel of VS Code, the pages' own origin becomes
    localhost, with one scheme or the other. Those of other pages stay as they are.
    """
    return [address(port), f"http://localhost:{port}", f"https://localhost:{port}"]
