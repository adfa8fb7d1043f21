"""Electron scattering factors of single atoms, tabulated."""

import numpy as np
from jaxtyping import Float

_VOLT_ANGSTROM2_PER_ANGSTROM = 47.877645
"""h^2 / (2 pi m e): what turns a scattering factor into the Fourier transform of the projected potential."""

_LOBATO: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "C": (
        (124.4660886, -220.3528571, 195.2353523, -98.10793613, 0.01420230412),
        (2.421208493, 2.305379438, 2.048519321, 1.933525529, 0.07689768185),
    ),
    "O": (
        (29.94740452, -77.61012663, 99.88177646, -51.21270055, 0.008196189544),
        (1.302839879, 1.157941053, 1.009885493, 0.9433279714, 0.04331976113),
    ),
    "Si": (
        (2.871891426, -2.061735012, 2.171140242, -0.06630736331, 0.003010707097),
        (5.084871036, 0.4291781853, 0.3664854342, 0.1197106113, 0.01439945361),
    ),
    "Cu": (
        (1.752071452, -43.04105235, 44.07059155, 0.01868761541, 0.0002017273248),
        (6.18750498, 1.002662636, 0.9853843114, 0.03029847039, 0.002558555987),
    ),
    "Se": (
        (3.649050478, -43.68516622, 43.69202886, 0.008449022842, 3.786114741e-05),
        (3.250432671, 0.6096662017, 0.5969713008, 0.01485545127, 0.001336255874),
    ),
    "Pd": (
        (0.6421597962, 2.979148144, 0.168154426, 0.001337442139, 1.914109683e-07),
        (5.974797503, 1.433594325, 0.09098684012, 0.003624101371, 0.0001806889144),
    ),
    "Ag": (
        (1.553172167, 2.639303647, 0.142015487, 0.001008504601, 1.9463843e-07),
        (8.156202358, 1.216008875, 0.07900988649, 0.002965479014, 0.0001745930959),
    ),
    "Cd": (
        (61.5307852, -78.60167412, 21.55012926, 0.1376850157, 0.0003246449309),
        (3.114681025, 2.760169834, 1.935513123, 0.07224683473, 0.001170016296),
    ),
    "Te": (
        (7.377433018, -126.0251069, 124.128405, 0.09599783718, 0.0002710722164),
        (3.469177578, 1.297598109, 1.267710676, 0.05377717502, 0.000993084577),
    ),
    "Pt": (
        (2.04021564, 2.899226346, 0.6363440838, 0.01320719196, 5.673821925e-05),
        (6.658194296, 1.413379238, 0.1740001045, 0.01006878045, 0.0004030771057),
    ),
    "Au": (
        (1.675934671, 3.00486603, 0.5953400132, 0.01171631866, 4.296782976e-05),
        (5.522310932, 1.38007223, 0.1622292377, 0.009018148904, 0.0003792776675),
    ),
    "Pb": (
        (3.60861021, 2.450567747, 0.4786395001, 0.008872142352, 1.040019329e-05),
        (6.581625946, 1.027728527, 0.1335336806, 0.006848612389, 0.0002763888755),
    ),
}
"""Amplitudes (angstrom) and widths (angstrom^2) of five terms for each element, after Lobato and Van Dyck."""

TABULATED = tuple(_LOBATO)
"""Elements whose scattering is tabulated here."""


def scattering_factor_angstrom(
    symbol: str, frequencies_per_angstrom: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return the electron scattering factor f(k) of an atom at rest, in angstrom, without relativistic mass.

    Parameters
    ----------
    symbol : str
        Chemical symbol, one of `TABULATED`.
    frequencies_per_angstrom : ndarray
        Spatial frequency k = 2 sin(theta / 2) / wavelength.

    Raises
    ------
    ValueError
        If the element is not tabulated.

    References
    ----------
    .. [1] Lobato and Van Dyck, Acta Cryst. A 70, 636 (2014), doi:10.1107/S205327331401643X, eq. 16.
    """
    if symbol not in _LOBATO:
        raise ValueError(f"Expected an element among {', '.join(TABULATED)}. Got {symbol!r}.")
    amplitudes, widths = _LOBATO[symbol]
    squared = np.asarray(frequencies_per_angstrom, dtype=float) ** 2
    factor = np.zeros_like(squared)
    for amplitude, width in zip(amplitudes, widths, strict=True):
        spread = 1 + width * squared
        factor += amplitude * (1 + spread) / spread**2
    return factor


def projected_potential_volt_angstrom3(
    symbol: str, frequencies_per_angstrom: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return the Fourier transform of an atom's potential projected along the beam, in volt angstrom^3.

    Divided by the area of a pixel and transformed back it is the projected potential in volt angstrom.
    """
    return _VOLT_ANGSTROM2_PER_ANGSTROM * scattering_factor_angstrom(symbol, frequencies_per_angstrom)
