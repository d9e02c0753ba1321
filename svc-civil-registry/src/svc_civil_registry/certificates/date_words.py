"""Writes dates in Vietnamese words, as civil status papers ask."""

from datetime import date

_DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")


def _below_hundred(value: int) -> str:
    tens, ones = divmod(value, 10)
    if tens == 0:
        return _DIGITS[ones]
    if tens == 1:
        word = "mười"
        ending = "lăm" if ones == 5 else _DIGITS[ones]  # noqa: PLR2004 - five is said otherwise after ten
    else:
        word = f"{_DIGITS[tens]} mươi"
        ending = {1: "mốt", 4: "tư", 5: "lăm"}.get(ones, _DIGITS[ones])
    return word if ones == 0 else f"{word} {ending}"


def number_in_words(value: int) -> str:
    """Return a number from 0 to 9,999 in words.

    Raises:
        ValueError: the number is out of range.
    """
    if not 0 <= value <= 9999:  # noqa: PLR2004 - years have at most four digits
        raise ValueError("only 0 to 9999 can be written")
    thousands, rest = divmod(value, 1000)
    hundreds, last = divmod(rest, 100)
    words: list[str] = []
    if thousands:
        words.append(f"{_DIGITS[thousands]} nghìn")
    if hundreds or (thousands and last):
        words.append(f"{_DIGITS[hundreds]} trăm")
    if last or not words:
        linked = bool(words) and last < 10  # noqa: PLR2004 - a single digit after hundreds is linked by a word
        words.append(f"lẻ {_DIGITS[last]}" if linked else _below_hundred(last))
    return " ".join(words)


def date_in_words(day: date) -> str:
    """Return a date such as `ngày hai mươi tư tháng mười một năm hai nghìn không trăm hai mươi sáu`."""
    # The fourth month has a name of its own.
    month = "tư" if day.month == 4 else _below_hundred(day.month)  # noqa: PLR2004 - April
    return f"ngày {_below_hundred(day.day)} tháng {month} năm {number_in_words(day.year)}"
