"""The age pyramid that the synthetic people follow, by sex and single year of age."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MALE, FEMALE = 0, 1
AGES = 100

# Own estimates of the country's five-year age groups in 2026, percent of all people, and of the share of men.
_GROUPS = (
    *(7.0, 7.8, 7.9, 7.3, 6.6, 6.9, 8.2, 8.5, 7.7, 6.7),
    *(6.1, 5.5, 4.9, 3.9, 2.5, 1.4, 0.8, 0.45, 0.2, 0.05),
)
_MEN = (
    *(0.525, 0.526, 0.525, 0.523, 0.518, 0.514, 0.512, 0.508, 0.504, 0.499),
    *(0.492, 0.484, 0.473, 0.459, 0.440, 0.415, 0.385, 0.350, 0.310, 0.270),
)
BOYS_AT_BIRTH = 0.525
"""About 111 boys for 100 girls."""


def pyramid() -> Floats:
    """Return shares of shape (2, 100): sex by age in years; they sum to 1."""
    centres = np.arange(20) * 5 + 2.0
    ages = np.arange(AGES, dtype=np.float64)
    both = np.interp(ages, centres, np.array(_GROUPS) / 5)
    men = np.interp(ages, centres, np.array(_MEN))
    shares = np.stack([both * men, both * (1 - men)])
    total: Floats = shares / shares.sum()
    return total
