"""What a report does not give away: values of environment variables, and paths of this machine.

A workspace's file refers to passwords as `${NAME}`. Nothing that the kit writes holds their
values: here is where that is looked into, before anything is put in its place.
"""

import base64
import html
import json
import re
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

# Shorter values – a port, a database called `crm` – stand in many a report by chance.
SHORTEST = 6
BACKSLASH = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.S)


def revealed(text: str, secrets: Mapping[str, str]) -> str | None:
    """Name the variable whose value stands in a text, plainly, quoted, escaped or in base64.

    Parameters
    ----------
    secrets
        Environment variable → its value; of a URL, its password is looked for by itself too.

    Examples
    --------
    >>> secrets = {"PGPASSWORD": "p&ss/word", "PGPORT": "5432"}
    >>> revealed("by p&amp;ss/word", secrets), revealed("cCZzcy93b3Jk", secrets)
    ('PGPASSWORD', 'PGPASSWORD')
    >>> revealed("5,432 deals: 5432", secrets) is None
    True
    """
    if not secrets:
        return None
    readings = list(_readings(text))
    for name, value in secrets.items():
        if any(form in reading for form in _forms(value) for reading in readings):
            return name
    return None


def hidden(content: Any, secrets: Mapping[str, str]) -> Any:
    """Put `${NAME}` back in the place of values, in a text or in all texts of a record.

    Examples
    --------
    >>> hidden("postgres://ann:p%26ss/word@crm", {"PGPASSWORD": "p&ss/word"})
    'postgres://ann:${PGPASSWORD}@crm'
    """

    def hide(text: str) -> str:
        for name, value in secrets.items():
            for part in _parts(value):
                for form in (quote(part, safe=""), quote(part), part):
                    text = text.replace(form, f"${{{name}}}")
        return text

    return _changed(content, hide)


def without_paths(content: Any, workdir: Path) -> Any:
    """Shorten the paths of this machine, in a text or in all texts of a notebook.

    Examples
    --------
    >>> without_paths({"text": ["File /srv/acme/deals.csv"]}, Path("/srv/acme"))
    {'text': ['File ./deals.csv']}
    """
    roots = _roots(workdir)

    def shorten(text: str) -> str:
        # Most texts have none, pictures among them, and to find that out is quicker so.
        if not any(root in text for root in roots):
            return text
        return _paths(workdir).sub(lambda found: roots[found[0]], text)

    return _changed(content, shorten)


def _changed(content: Any, change: Callable[[str], str]) -> Any:
    if isinstance(content, str):
        return change(content)
    if isinstance(content, dict):
        return {name: _changed(each, change) for name, each in content.items()}
    if isinstance(content, list):
        return [_changed(each, change) for each in content]
    return content


def _parts(value: str) -> list[str]:
    """Split a value into what must not be seen of it; nothing if it is too short to look for."""
    parts = [value]
    if "://" in value:
        with suppress(ValueError):
            parts.append(unquote(urlsplit(value).password or ""))
    return [part for part in parts if len(part) >= SHORTEST]


@lru_cache
def _forms(value: str) -> frozenset[str]:
    """List the ways to write a value that the readings of a text do not undo."""
    forms: set[str] = set()
    for part in _parts(value):
        forms |= {part, part.replace(" ", "+")}
        for written in (part, quote(part, safe="")):
            forms.update(_in_base64(written.encode("utf-8", "surrogateescape")))
    return frozenset(forms)


def _in_base64(value: bytes) -> Iterator[str]:
    """Give the characters that stand for a value wherever it begins in what is encoded."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value).decode()
        core = encoded[-(-8 * before // 6) : 8 * (before + len(value)) // 6]
        yield core
        yield core.replace("+", "-").replace("/", "_")


def _readings(text: str) -> Iterator[str]:
    """Read a text as it stands, and without the escapes of HTML, of JSON and Python, of URLs."""
    read = [text]
    with suppress(ValueError):
        read.append("\n".join(_strings(json.loads(text))))
    for each in read:
        bare = html.unescape(each)
        yield from (each, bare, unquote(bare), BACKSLASH.sub(_escaped, bare))


def _escaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else code


def _strings(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for name, each in content.items():
            yield name
            yield from _strings(each)
    elif isinstance(content, list):
        # The file format of notebooks cuts texts into lines.
        if all(isinstance(each, str) for each in content):
            yield "".join(content)
        else:
            for each in content:
                yield from _strings(each)


@lru_cache
def _roots(workdir: Path) -> dict[str, str]:
    """Find the folders that tell about this machine, and what to write instead of them."""
    ours = [sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "data")]
    ours += [str(Path(__file__).parents[2]), tempfile.gettempdir()]
    named = dict.fromkeys(ours, "…")
    with suppress(RuntimeError):
        named[str(Path.home())] = "~"
    named[str(workdir)] = "."
    every = {str(Path(root).resolve()): short for root, short in named.items()} | named
    # Not of the root itself, which every path begins with.
    return {root: short for root, short in every.items() if len(Path(root).parts) > 1}


@lru_cache
def _paths(workdir: Path) -> re.Pattern[str]:
    roots = sorted(_roots(workdir), key=len, reverse=True)
    # Not within a longer path or a URL; but right after a colour, which tracebacks begin with.
    begins = r"(?:(?<![\w.~-])|(?<=\dm))"
    return re.compile(f"{begins}(?:{'|'.join(map(re.escape, roots))})(?![\\w-])")
