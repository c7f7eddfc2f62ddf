"""Which encoding a text was saved in, when nobody wrote it down.

A byte order mark or valid UTF-8 settles it. Among the older code pages the one is taken under
which the letters belong to one alphabet and stand as letters do. charset-normalizer, which errs
on short texts, is asked about those of East Asia only.
"""

import codecs
import re
from functools import cache

from revops_kit.errors import SourceError, did_you_mean
from revops_kit.units import number

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
JAPANESE = "".join(map(chr, [*range(0x3041, 0x30FF), *range(0x4E00, 0x9FB0), 0x3005]))
# Of the wide forms only these: the others' bytes are French and German in older code pages.
JAPANESE += "￥、。（）０１２３４５６７８９"
# Code pages by how often exports are saved in them, and the alphabets written with each.
CODE_PAGES = {
    "cp1252": (
        "äöüß",
        "éèêëàâçîïôûùœæÿ",
        "ñáéíóúü",
        "àèéìòù",
        "ãõáâàçéêíóôúº",
        "åäöéøæ",
        "ëïéèöü",
    ),
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž"),
    "iso8859_2": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áéíóöőúüű"),
    "cp1251": ("абвгдежзийклмнопрстуфхцчшщъыьэюяё№", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"),
    "cp932": (JAPANESE,),
    "cp1253": ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋ",),
    "cp1254": ("çğıİöşüâîû",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
    "koi8_r": ("абвгдежзийклмнопрстуфхцчшщъыьэюяё",),
    "cp850": ("äöüß", "éèêëàâçîïôûù", "ñáéíóúü", "åäöéøæ"),
    "mac_roman": ("äöüß", "éèêëàâçîïôûùœæ", "ñáéíóúü", "åäöéøæ"),
}
EAST_ASIAN = ["gb18030", "big5", "cp949", "euc_jp"]
CERTAIN, PLAUSIBLE = 0.8, 0.4
SAMPLED_BYTES = 200_000
SYMBOLS = frozenset("€£¥§°²³½¼™®©«»“”„‘’–—…·•¡¿ºªµ×№\xa0")

# What letters do not do: a small one before a capital, symbols inside words, scripts mixed.
_STRANGE = re.compile(
    r"[a-zß-öø-ÿа-яё][A-ZÀ-ÖØ-ÞŠŽŸА-ЯЁ]"
    r"|[^\W\d_m][¡-¨¬¯-´¶¸¹¼-¿×÷‚„†‡ˆ‰‹›˜ˇ˘˙˛˝¤¦§¶≤≥∞≈≠]"
    r"|[¬¯±¸³²¹¤¦§¶£¥¢ˇ˘˛˙][^\W\d_]"
    r"|[\u0080-\u009f\ue000-\uf8ff─-◿]"
    r"|[a-zA-ZÀ-ɏ](?=[Ѐ-ӿͰ-Ͽ぀-ヿ一-鿿ｦ-ﾟ])|[Ѐ-ӿͰ-Ͽ](?=[a-zA-ZÀ-ɏ])|[぀-ヿ一-鿿ｦ-ﾟ](?=[À-ɏ])"
)
_FOREIGN = re.compile(r"[^\x00-\x7f]")


def decode(data: bytes, name: str, encoding: str | None = None) -> tuple[str, str | None]:
    """Turn the bytes of a file into text.

    Parameters
    ----------
    data, name
        The bytes, and the name of their file for messages.
    encoding
        As `revops.toml` gives it; found out when left out.

    Returns
    -------
    The text, and the encoding where it had to be found out and is not UTF-8

    Raises
    ------
    SourceError
        When the bytes are not text in the encoding.

    Examples
    --------
    >>> decode("Łódź, Kraków, Wrocław".encode("cp1250"), "cities.csv")
    ('Łódź, Kraków, Wrocław', 'cp1250')
    """
    marked = next((known for mark, known in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "")
    if encoding:
        return _as_told(data, name, encoding, marked), None
    if marked:
        return _as_told(data, name, marked, marked), None if "utf-8" in marked else marked
    if wide := _unmarked_utf16(data):
        return _as_told(data, name, wide, ""), wide
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError:
        found = _likeliest(data, name)
        return data.decode(found), found


def _as_told(data: bytes, name: str, encoding: str, marked: str) -> str:
    """Decode without a doubt, or say which line does not fit."""
    try:
        wanted = codecs.lookup(encoding).name
    except LookupError:
        near = did_you_mean(encoding, ["utf-8", "utf-16", *CODE_PAGES, "latin-1", "shift_jis"])
        raise SourceError(f"{name}: there is no encoding {encoding!r}.{near}") from None
    # The mark is no part of the text, whichever way its encoding was named.
    if marked and wanted.startswith(marked.removesuffix("-sig")):
        wanted = marked
    try:
        return data.decode(wanted)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{name} is not {encoding}: line {number(line)} does not fit. Say its encoding = …, "
            f"or leave it out to have it found."
        ) from None


def _unmarked_utf16(data: bytes) -> str | None:
    """Tell UTF-16 without a mark by its every other byte, which is mostly 0."""
    sample = data[:2_000]
    half = len(sample) // 2
    if sample[1::2].count(0) > 0.4 * half > sample[::2].count(0) + 1:
        return "utf-16-le"
    if sample[::2].count(0) > 0.4 * half > sample[1::2].count(0) + 1:
        return "utf-16-be"
    return None


def _likeliest(data: bytes, name: str) -> str:
    """Find the code page under which the text looks most like one."""
    foreign = [line for line in data.splitlines() if not line.isascii()]
    sample = b"\n".join(foreign)
    if len(sample) > SAMPLED_BYTES:  # whole lines, for a character may be several bytes
        sample = sample[:SAMPLED_BYTES].rpartition(b"\n")[0] or sample
    scores = {}
    for page in CODE_PAGES:
        try:
            scores[page] = _likeness(sample.decode(page), page)
            data.decode(page)
        except UnicodeDecodeError:
            scores.pop(page, None)
    # Of equals the first is the commonest.
    best = max(scores, key=scores.__getitem__, default="")
    if scores.get(best, 0) >= CERTAIN:
        return best
    from charset_normalizer import from_bytes

    if found := from_bytes(sample, cp_isolation=EAST_ASIAN).best():
        return found.encoding
    if scores.get(best, 0) >= PLAUSIBLE:
        return best
    raise SourceError(f"{name} makes no sense in any encoding known here: say its encoding = ….")


def _likeness(text: str, page: str) -> float:
    """Score text by the share of its letters in one alphabet, less what letters do not do."""
    foreign = _FOREIGN.findall(text)
    if not foreign:
        return 0.0
    covered = max(sum(map(known.__contains__, foreign)) for known in _alphabets(page))
    return (covered - len(_STRANGE.findall(text))) / len(foreign)


@cache
def _alphabets(page: str) -> tuple[frozenset[str], ...]:
    return tuple(SYMBOLS.union(each, each.upper()) for each in CODE_PAGES[page])
