"""Text on one line, of bounded length, and safe on a terminal.

Three steps that are put together where they are needed; `one_line` is the most common pair. The
library in `hive.supervisors` stands alone and so has its own for its events.
"""


def flattened(text: str) -> str:
    """Return the words of `text` with one space between them, without any line break."""
    return " ".join(text.split())


def shortened(text: str, most: int) -> str:
    """Return `text` cut to at most `most` characters; what was cut ends with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def escaped(text: str, keep: str = "") -> str:
    """Return `text` with each character that is not printable written as Python's escape for it.

    So no control character is left that could drive a terminal, except those in `keep`. The result
    may be longer than `text`.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def one_line(text: str, most: int) -> str:
    """Return `text` shortened to `most` characters and then escaped: line breaks show as `\\n`."""
    return escaped(shortened(text, most))
