"""Addresses in messages, without what may be secret in them."""

from urllib.parse import urlsplit


def shown_url(url: str) -> str:
    """Leave out user, password, query and fragment: ``https://u:p@host/m?key=1`` → ``https://host/m``."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    if not parts.scheme or parts.hostname is None:
        return "an address without http:// or https://"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"
