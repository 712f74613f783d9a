"""Sorting and counting of whole numbers, faster than numpy's general way."""

import numpy as np

from batch_job.detection.views import Ints

_DIGIT_BITS = 16
"""numpy sorts numbers of 16 bits by counting: seven times faster than longer ones."""


def order_of(numbers: Ints) -> Ints:
    """Give the indices that sort numbers from 0 on; equal ones stay in their order."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    for shift in range(_DIGIT_BITS, int(numbers.max(initial=0)).bit_length(), _DIGIT_BITS):
        digits = (numbers.take(order) >> shift).astype(np.uint16)
        order = order.take(np.argsort(digits, kind="stable"))
    return order


def ranges(begins: Ints, counts: Ints) -> Ints:
    """Give the numbers of all ranges, one after the other."""
    ends = np.cumsum(counts)
    numbers: Ints = np.arange(counts.sum(), dtype=np.int64) + np.repeat(begins - (ends - counts), counts)
    return numbers


def starts_of(numbers: Ints) -> Ints:
    """Give where in sorted numbers each one first stands."""
    return np.flatnonzero(np.concatenate((np.ones(min(len(numbers), 1), bool), numbers[1:] != numbers[:-1])))
