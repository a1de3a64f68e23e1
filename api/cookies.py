"""The cookie that keeps somebody signed in: which refresh token a request bears, and whether its page may use it."""

from starlette.requests import Request

from api.problems import Problem
from api.rooms import Rooms, rooms_of


def refresh_token(request: Request) -> str | None:
    """The refresh token of the request's cookie, if there is one. Raises `Problem` (403) for another origin's page."""
    must_be_same_origin(request)
    return request.cookies.get(_name(rooms_of(request)))


def kept(rooms: Rooms, token: str) -> dict[str, str]:
    """The header that has a browser keep the token (RFC 6265bis §4.1)."""
    return _set(rooms, token, int(rooms.sessions.life.total_seconds()))


def dropped(rooms: Rooms) -> dict[str, str]:
    """The header that has a browser forget its token."""
    return _set(rooms, "", 0)


def _set(rooms: Rooms, token: str, seconds: int) -> dict[str, str]:
    secure = "; Secure" if rooms.secure_cookies else ""
    return {
        "Set-Cookie": f"{_name(rooms)}={token}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}",
    }


def _name(rooms: Rooms) -> str:
    """With the prefix, a browser takes it from this very host over TLS alone."""
    return "__Host-refresh" if rooms.secure_cookies else "refresh"


def must_be_same_origin(request: Request) -> None:
    """Raise `Problem` (403) for another origin's page, which shall neither use a session nor sign somebody in to one;
    an origin that is named is as good as ours.

    Browsers say where a request comes from (Fetch Metadata), older ones by Origin (RFC 6454 §7.3); others have no
    cookie that could be used against anybody.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if origin is not None and origin in rooms_of(request).origins:
        return
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        # A proxy may end TLS before us, so the scheme is not compared.
        ours = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if not ours:
        raise Problem(403, "cross-origin", "This is not for another site to do", "The request is another origin's.")
