"""The two bodies of a mail: HTML by way of MJML, and a text that says the same."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import escape

from revops_kit.mail.addresses import sendable

TEMPLATE = Path(__file__).parent / "template"
# Gmail shows the first 102 kB of a mail, and hides the rest behind a link.
LARGEST = 90_000
ROOM = (60, 30, 12, 6, 3, 1)  # things of a kind, as many as fit
MARK = re.compile(r"said(\d+)said")
LONGEST = 600  # characters of one thing
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]+")


def page(name: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Write the HTML and the text of a mail by its templates."""
    from mjml import mjml2html

    facts, said = _clean(dict(facts)), []
    # MJML writes attributes in a way of its own – a narrow space becomes \u{202f} – and whoever
    # breaks out of it writes tags: so it sees marks, and what is said comes in their place.
    markup = _templates(said).get_template(f"{name}.mjml.j2").render(facts)
    html = mjml2html(markup, disable_comments=True, fonts={})
    html = MARK.sub(lambda found: said[int(found[1])], html)
    text = _templates().get_template(f"{name}.txt.j2").render(facts)
    return html, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def fitted(name: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Write a mail as `page` does, with as many things of each kind as a mail has room for."""
    for room in ROOM:
        cut = {key: _first(value, room) for key, value in facts.items()}
        left = sum(len(value) - len(cut[key]) for key, value in facts.items() if _is_list(value))
        html, text = page(name, {**cut, "hidden": left})
        if len(html.encode()) < LARGEST:
            break
    return html, text


def _first(value: Any, room: int) -> Any:
    return value[:room] if _is_list(value) else value


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _clean(value: Any) -> Any:
    """Take out what no reader sees and no mail may hold, and cut what goes on for ever."""
    if isinstance(value, str):
        text = CONTROLS.sub(" ", sendable(value))
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


def _templates(said: list[str] | None = None) -> Any:
    """Open the templates; with a list, what they say goes into it, and marks in its place."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    def mark(value: Any) -> Any:
        if hasattr(value, "__html__"):  # what a macro has made
            return value
        said.append(str(escape(str(value))))
        return f"said{len(said) - 1}said"

    return Environment(
        loader=FileSystemLoader(TEMPLATE),
        autoescape=said is not None,
        finalize=None if said is None else mark,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
