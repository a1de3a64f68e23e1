"""What every answer bears for browsers' sake, whoever writes it (OWASP REST Security Cheat Sheet, Security Headers)."""

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
BEHIND_TLS = (*ALWAYS, (b"strict-transport-security", b"max-age=31536000"))
"""With a year of HTTPS alone (RFC 6797 §6.1): in production something before us ends TLS."""

UNLESS_SAID = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""What an answer may say otherwise, as the docs page does."""
