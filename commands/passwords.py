"""Passwords that whoever guesses tries first (NIST SP 800-63B §3.1.1.2). Shorter ones are refused for their length."""

from importlib import resources

COMMON = frozenset((resources.files("commands") / "common_passwords.txt").read_text("utf-8").split())


def is_common(password: str) -> bool:
    """Whether a password, in whatever case, is one of them."""
    return password.casefold() in COMMON
