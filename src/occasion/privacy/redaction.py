"""Redaction: e-mail addresses, phone, card, bank and identity numbers in free text give way to what they are.

Numbers with check digits are recognised by them (cards by ISO/IEC 7812-1 Luhn, bank accounts by ISO 13616 mod 97, Chinese
resident ids by GB 11643 mod 11-2), phone numbers by how they are written. A number that could as well be a price, a year, a
barcode or an order number stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

from occasion.data import Scalar

__all__ = ["redacted", "redacted_signals"]

_MAIL = re.compile(
    # CJK characters stand next to an address without a space: they are no part of it.
    r"[A-Za-z0-9\u00c0-\u052f.!#$%&'*+/=?^_`{|}~-]{1,64}[@＠][A-Za-z0-9\u00c0-\u052f](?:[A-Za-z0-9\u00c0-\u052f-]{0,62}\.){1,8}"
    r"[A-Za-z\u00c0-\u052f]{2,24}"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_RESIDENT = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{5}[ -]?(?:19|20)\d\d[ -]?\d{4}[ -]?\d{3}[\dXx](?![A-Za-z0-9])")
_DIGITS = re.compile(r"(?<![\w.-])\d{3,}(?:[ -]\d{3,})*(?![\w-])", re.ASCII)
_CARD = re.compile(r"(?:4|5|6|2[2-7]|3[0-9])\d{12,18}")
_SEPARATED = r"[ .\-/()]{0,3}"

_PHONE = re.compile(
    "|".join(
        (
            # International: +49 (0)30 1234-567, 0086 138 0013 8000
            rf"(?<![\w+])(?:\+[1-9](?:{_SEPARATED}\d){{7,14}}|00[1-9](?:{_SEPARATED}\d){{9,14}})(?!\d)",
            # Chinese mobile, alone or grouped
            r"(?<![\w.+-])(?:86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?![\w-])",
            # National with a trunk zero: 030 12345678, 0171/1234567, (020) 7946 0958, 0755-12345678, 01711234567
            r"(?<![\w.,-])\(?0[1-9]\d{1,4}\)?(?: ?[/-] ?| )\d{3,8}(?:[ -]\d{2,5}){0,3}(?![\w-]|[.,]\d)",
            r"(?<![\w.,-])0[1-9]\d{8,9}(?![\w-]|[.,]\d)",
            # The same with its code in brackets, and in pairs: (010)12345678, 06 12 34 56 78
            r"(?<![\w.,-])\(0[1-9]\d{1,3}\)[ -]?\d{3,8}(?:[ -]\d{2,5}){0,3}(?![\w-]|[.,]\d)",
            r"(?<![\w.,-])(?<!\d )0[1-9](?:[ .-]\d\d){4}(?![\w-]|[ .,-]\d)",
            # North American: (212) 555-0187, 212-555-0187, 212.555.0187
            r"(?<![\w.-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-. ]\d{4}(?![\w-]|\.\d)",
        )
    ),
    re.ASCII,
)
_CALLED = re.compile(
    r"((?:\b(?:tel|phone|telephone|mobile|cell|whatsapp|fax|(?:call|ring) me(?: at| on)?)\b|电话|手机号?码?|微信|联系方式)"
    rf"[^\S\n]{{0,3}}(?:is|no|number|nr|是|为|号码?)?[^\S\n]{{0,3}}[.:#：]?[^\S\n]{{0,3}})(\+?\d(?:{_SEPARATED}\d){{6,14}})(?!\d)",
    re.IGNORECASE | re.ASCII,
)
_IDENTITY = re.compile(
    "|".join(
        (
            # US social security, UK national insurance
            r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])",
            r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?![A-Za-z0-9])",
            # Hong Kong, with the check digit in brackets as it is printed
            r"(?<![A-Za-z0-9])[A-Z]{1,2}\d{6}[(（][\dA][)）]",
        )
    )
)
_TAIWAN = re.compile(r"(?<![A-Za-z0-9])[A-Z][1289]\d{8}(?![A-Za-z0-9])")
_TAIWAN_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_PASSPORT = re.compile(
    r"((?:\bpassport\b|\bssn\b|\bsocial security\b|护照|身份证|通行证|军官证|驾驶证|证件)[^\n\d]{0,12}?)"
    r"(?<![A-Za-z0-9])([A-Z]{0,2}\d(?:[ -]?\d){5,17}[\dXx]?)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"((?:银行卡|信用卡|储蓄卡|卡号|[账帐][号户]|\b(?:bank|credit|debit) card\b|\b(?:card|account) (?:number|no\b))[^\n\d]{0,8}?)"
    r"(?<![A-Za-z0-9])\d(?:[ -]?\d){11,20}(?![A-Za-z0-9])",
    re.IGNORECASE,
)
"""What is called a card or an account is one, although its check digit is wrong or it has none."""
_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

_SIX = re.compile(r"\d(?:\D{0,3}\d){5}")
"""Without six digits near each other there is no number to redact."""
_WIDE = str.maketrans("０１２３４５６７８９－（）＋．／　", "0123456789-()+./ ")


def redacted(text: str) -> str:
    """Return a text with ``[e-mail]``, ``[phone]``, ``[card]``, ``[bank account]`` or ``[id number]`` in place of each one found.

    A text without any is returned as it is. What was redacted once is not changed by doing it again.
    """
    if "@" not in text and "＠" not in text and _SIX.search(text) is None:
        return text
    text = _MAIL.sub("[e-mail]", text)
    if _SIX.search(text) is None:
        return text
    # Full-width digits count as digits; the text keeps them where nothing is found.
    narrow = text.translate(_WIDE)
    changed = _numbers(narrow)
    return changed if changed != narrow else text


def _numbers(text: str) -> str:
    text = _IBAN.sub(lambda found: _without_iban(found[0]), text)
    text = _RESIDENT.sub(_checked("[id number]", _is_resident), text)
    text = _DIGITS.sub(lambda found: _without_cards(found[0]), text)
    text = _ACCOUNT.sub(r"\1[bank account]", text)
    text = _TAIWAN.sub(_checked("[id number]", _is_taiwanese), text)
    text = _IDENTITY.sub("[id number]", text)
    text = _PASSPORT.sub(r"\1[id number]", text)
    text = _PHONE.sub(_checked("[phone]", _is_phone), text)
    return _CALLED.sub(r"\1[phone]", text)


def redacted_signals(signals: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """Return signals with their texts redacted; the same object where nothing was found."""
    changed = {name: redacted(value) for name, value in signals.items() if isinstance(value, str)}
    if all(signals[name] == value for name, value in changed.items()):
        return signals
    return {**signals, **changed}


def _checked(word: str, check: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
    return lambda found: word if check(found[0]) else found[0]


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "").replace("-", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _without_iban(run: str) -> str:
    """Replace an account at the beginning of a run of letters and digits; words may follow it."""
    ends = [n for n in range(len(run), 14, -1) if n == len(run) or not run[n].isalnum()]
    end = next((n for n in ends if _is_iban(run[:n])), 0)
    return f"[bank account]{run[end:]}" if end else run


def _is_resident(text: str) -> bool:
    text = text.replace(" ", "").replace("-", "")
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text, _RESIDENT_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == text[17].upper()


def _is_taiwanese(text: str) -> bool:
    letter = _TAIWAN_LETTERS.index(text[0]) + 10
    digits = [letter // 10, letter % 10, *map(int, text[1:])]
    return sum(d * w for d, w in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0


def _is_phone(text: str) -> bool:
    """Tell phone numbers from other numbers of the same form: 9 digits at least, 15 at most."""
    return 9 <= sum(c.isdigit() for c in text) <= 15


def _is_luhn(digits: str) -> bool:
    doubled = (int(d) * 2 for d in digits[-2::-2])
    return (sum(d - 9 if d > 9 else d for d in doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _without_cards(run: str) -> str:
    """Replace the card numbers within a run of digits, spaces and hyphens; a card begins and ends where a group does."""
    places = [n for n, c in enumerate(run) if c.isdigit()]
    digits = "".join(run[n] for n in places)
    starts = [i for i, n in enumerate(places) if n == 0 or not run[n - 1].isdigit()]
    ends = {i + 1 for i, n in enumerate(places) if n + 1 == len(run) or not run[n + 1].isdigit()}
    out, done, free = [], 0, 0
    for start in starts:
        for end in range(start + 19, start + 13, -1):
            if start >= free and end in ends and _CARD.fullmatch(digits[start:end]) and _is_luhn(digits[start:end]):
                out += [run[done : places[start]], "[card]"]
                done, free = places[end - 1] + 1, end
    return "".join([*out, run[done:]])
