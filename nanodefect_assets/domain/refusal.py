"""The one error for input that cannot be accepted."""


def said_of(expected: str, got: str, advice: str = "") -> str:
    """Return the sentence of a refusal; a stop that `got` brings along is not said twice."""
    return f"expected {expected}, got {got.rstrip().rstrip('.')}. {advice}".rstrip()


def shortened(text: str, most_signs: int) -> str:
    """Return a text of at most `most_signs`, cut between words and seen to be cut."""
    if len(text) <= most_signs:
        return text
    kept = text[: most_signs - 4]
    return f"{kept.rsplit(maxsplit=1)[0] if ' ' in kept else kept} ..."


class Refusal(ValueError):
    """Input that cannot be accepted, said so that a microscopist can act on it.

    Parameters
    ----------
    reason : str
        Short name of the kind of trouble, such as ``truncated_file``; groups refusals in SQL.
    expected, got : str
        What was needed and what came.
    file : str
        File (and line, where there is one) that is to blame, relative to the batch; empty if none is.
    advice : str
        What to do about it.
    """

    def __init__(self, reason: str, *, expected: str, got: str, file: str = "", advice: str = "") -> None:
        self.reason = reason
        self.expected = expected
        self.got = got
        self.file = file
        self.advice = advice
        super().__init__(reason, expected, got, file, advice)

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        return where + said_of(self.expected, self.got, self.advice)

    def about(self, file: str) -> "Refusal":
        """Return the same refusal, blamed on `file`."""
        return Refusal(self.reason, expected=self.expected, got=self.got, file=file, advice=self.advice)
