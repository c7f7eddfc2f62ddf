"""Who a mail goes to: addresses as people write them, and as servers take them."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from email.headerregistry import Address as HeaderAddress

from revops_kit.errors import WorkspaceError

ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
LOCAL = re.compile(rf"{ATOM}(\.{ATOM})*")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Python knows the rules for domains of 2003; these mean something else since 2008.
READ_OTHERWISE_SINCE = "ßς\u200c\u200d"
# RFC 5321, 4.5.3.1
LONGEST_LOCAL, LONGEST = 64, 254


@dataclass(frozen=True)
class Address:
    """Where a mail goes or comes from.

    Attributes
    ----------
    name
        Of the person or team; may be empty.
    local, domain
        Before and after the @; the domain as servers know it, in ASCII and lower case.
    """

    name: str
    local: str
    domain: str

    @property
    def spec(self) -> str:
        """The address alone."""
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """What two spellings of one mailbox have in common."""
        return self.spec.casefold()

    @property
    def is_ascii(self) -> bool:
        """Whether every server takes it; others must offer SMTPUTF8."""
        return self.local.isascii()

    @property
    def header(self) -> HeaderAddress:
        """The address as a header takes it."""
        return HeaderAddress(self.name, self.local, self.domain)


def address(written: str) -> Address:
    """Read an address, such as `ann@example.com` or `Ann Lee <ann@example.com>`.

    Raises
    ------
    WorkspaceError
        When it is none.

    Examples
    --------
    >>> address("Ann <Ann@EXAMPLE.com>").spec
    'Ann@example.com'
    >>> address("ann@bücher.example").spec
    'ann@xn--bcher-kva.example'
    """
    name, is_named, rest = written.strip().rpartition("<")
    spec = rest.removesuffix(">") if is_named else rest
    local, _, domain = unicodedata.normalize("NFC", spec.strip()).rpartition("@")
    if (is_named and not rest.endswith(">")) or not LOCAL.fullmatch(local):
        raise _invalid(written)
    domain = _ascii(domain, written)
    labels = domain.split(".")
    if (len(labels) < 2 and domain != "localhost") or not all(map(LABEL.fullmatch, labels)):
        raise _invalid(written)
    if len(local.encode()) > LONGEST_LOCAL or len(f"{local}@{domain}".encode()) > LONGEST:
        raise _invalid(written)
    name = re.sub(r'^"(.*)"$', r"\1", one_line(name)).replace('\\"', '"')
    return Address(name, local, domain)


def addresses(written: Iterable[str]) -> tuple[Address, ...]:
    """Read addresses, each mailbox once, as it is spelt first.

    Examples
    --------
    >>> [each.spec for each in addresses(["ann@example.com", "Ann Lee <ann@Example.COM>"])]
    ['ann@example.com']
    """
    found: dict[str, Address] = {}
    for each in map(address, written):
        found.setdefault(each.key, each)
    return tuple(found.values())


def one_line(text: str) -> str:
    r"""Put a space where a text has line breaks or other control characters.

    A header ends with its line: what comes after a break in a subject would be read as the next.

    Examples
    --------
    >>> one_line("Weekly\r\nBcc: eve@example.com ")
    'Weekly Bcc: eve@example.com'
    """
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", text)
    return sendable(text).strip()


def sendable(text: str) -> str:
    """Put a question mark where a text has half a character, which no encoding can write."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _ascii(domain: str, written: str) -> str:
    if domain.isascii():
        return domain.lower()
    try:
        if not set(domain.lower()) & set(READ_OTHERWISE_SINCE):
            return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        pass
    raise WorkspaceError(
        f"{one_line(written)!r}: this domain cannot be put into ASCII for sure; write it in the "
        f"form that begins with xn--, as its registrar names it."
    )


def _invalid(written: str) -> WorkspaceError:
    return WorkspaceError(
        f"{one_line(written)[:80]!r} is not an e-mail address: write one to an entry, as in "
        f"ann@example.com or Ann Lee <ann@example.com>."
    )
