"""A page of every problem an answer may be, read from where they are raised: codes, statuses, titles."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from textwrap import wrap

import api
from api.bodies import FORM_LIMIT, MOST_FIELDS, MOST_PARTS
from api.door import BODY_LIMIT, MOST_PARAMETERS
from api.problems import STATUS, UNFIT_CODES
from api.protocol import HEAD_LIMIT, HEAD_WITHIN, MOST_HEADERS
from booking.refusals import code_of

PAGE = Path("docs/reference/problems.md")

# Those whose code is not written where they are made: what is no HTTP, and what the framework answers.
_FROM_HTTP = (
    ("bad-http", 400, "Bad Request"),
    ("bad-http", 408, "Request Timeout"),
    ("bad-http", 431, "Request Header Fields Too Large"),
    ("bad-request", 400, "Bad Request"),
    ("not-found", 404, "Not Found"),
    ("method-not-allowed", 405, "Method Not Allowed"),
)
_MADE_OF_OTHERS = 3
"""Where a problem is made of a refusal, of what the framework raised and of what is no HTTP."""


def page() -> str:
    """The page."""
    lines = [
        "# Problems",
        "",
        "<!-- Written by `make reference` from booking/refusals.py and api/. -->",
        "",
        *_paragraph("""
            Whatever is not done is answered with `application/problem+json` (RFC 9457): `type` is
            `urn:daybook:problem:` and a code that does not change, `title` says what the code means, `detail` what
            is wrong this time, `correlation_id` under which id it is logged. Which operation may end with which
            problem, `/openapi.json` says.
        """),
        "## Refusals",
        "",
        *_paragraph("""
            The rules say no. Every rule that does is in `refusals`, each with its code, a `detail` for people, what
            else the table names, and the release of the time zone database it was judged by (`tzdata`). The status
            is 409 if each of them is one, else 422.
        """),
        "| code | status | title | carries |",
        "| --- | --- | --- | --- |",
    ]
    for kind, status in sorted(STATUS.items(), key=lambda one: (one[1], code_of(one[0]))):
        carried = ", ".join(f"`{field.name}`" for field in fields(kind))
        lines.append(f"| `{code_of(kind)}` | {status} | {kind.__doc__} | {carried} |")
    lines += ["", "## Other problems", "", "| code | status | title |", "| --- | --- | --- |"]
    lines += [
        f"| `{code}` | {status} | {'; '.join(titles)} |" for (status, code), titles in sorted(_by_status().items())
    ]
    unfit = ", ".join(f"`{code}`" for code in sorted(UNFIT_CODES))
    lines += [
        "",
        *_paragraph(f"""
            `invalid-request` has a list `errors` of what is not fit: a `code`, a `detail`, and where: a `pointer`
            into the body (RFC 6901), or the name of a parameter under `query`, `path` or `header`. Of what fits by
            itself and not together the codes are {unfit}.
        """),
        *_paragraph("""
            429 and 503 say in `Retry-After` when to ask again, 401 in `WWW-Authenticate` how to sign in, 405 in
            `Allow` what may be asked. A 503 with `unavailable` or `too-slow` may or may not have taken effect: ask
            again with the same `Idempotency-Key`. A 408 has changed nothing.
        """),
        "## What is read",
        "",
        *_paragraph(f"""
            A body has at most {BODY_LIMIT >> 20} MiB, a form {FORM_LIMIT >> 10} KiB, either in UTF-8. JSON has at most
            {MOST_PARTS:,} commas, lists and objects together, an object at most {MOST_FIELDS} fields and no name twice;
            of a list the first mistake is told. A time has at most six digits behind its seconds. A query has at most
            {MOST_PARAMETERS} parameters; the request line and at most {MOST_HEADERS} headers have
            {HEAD_LIMIT >> 10} KiB together, and come within {HEAD_WITHIN:g} seconds.
        """),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _paragraph(text: str) -> list[str]:
    return [*wrap(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False), ""]


def _by_status() -> dict[tuple[int, str], list[str]]:
    found: dict[tuple[int, str], list[str]] = {}
    for code, status, title in (*_FROM_HTTP, *raised()):
        titles = found.setdefault((status, code), [])
        if title not in titles:
            titles.append(title)
    return found


def raised() -> Iterator[tuple[str, int, str]]:
    """Code, status and title of every `Problem(…)` in `api/`. Raises `ValueError` for one that cannot be read off."""
    unread = 0
    for path in sorted(Path(api.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                match node.args[:3]:
                    case [ast.Constant(int(status)), ast.Constant(str(code)), ast.Constant(str(title))]:
                        yield code, status, title
                    case _:
                        unread += 1
    if unread != _MADE_OF_OTHERS:
        raise ValueError("write status, code and title of a Problem where it is made, or name it in this file")
