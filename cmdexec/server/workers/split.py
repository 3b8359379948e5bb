"""Who gets how many, when there may not be enough for all."""

from collections.abc import Sequence


def split(items: int, wants: Sequence[int]) -> list[int]:
    """`items` shared out as evenly as the wants allow, those who come first getting what does not divide.

    >>> split(5, [4, 1, 4])
    [2, 1, 2]
    """
    shares = [0] * len(wants)
    left = min(items, sum(wants))
    hungry = [index for index, want in enumerate(wants) if want > 0]
    while left > 0:
        each = max(1, left // len(hungry))
        for index in hungry:
            more = min(each, wants[index] - shares[index], left)
            shares[index] += more
            left -= more
        hungry = [index for index in hungry if shares[index] < wants[index]]
    return shares
