"""Refuse with a sentence what can't be worked with."""


def check(condition: bool, sentence: str) -> None:
    """Refuse with a sentence what a condition does not hold for.

    Raises
    ------
    ValueError
        Unless the condition holds.
    """
    if not condition:
        raise ValueError(sentence)


def check_all(*rules: tuple[bool, str]) -> None:
    """Refuse with the sentences of all rules that do not hold, a line each.

    Raises
    ------
    ValueError
        Unless all hold.
    """
    broken = [sentence for holds, sentence in rules if not holds]
    check(not broken, "\n".join(broken))
