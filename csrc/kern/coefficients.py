"""Print csrc/kern/coefficients.h: the polynomials of kern/math.h.

    python csrc/kern/coefficients.py > csrc/kern/coefficients.h

Each is the minimax polynomial of its degree in relative error (Remez exchange, 200 bits), its coefficients rounded
to the working precision one after the other, lowest first, the rest fitted again after each rounding. The first is
exact: -2, 1, or pi/4 as a value of the working precision and a small rest. Needs mpmath.
"""

import re
import struct
from collections.abc import Callable

import mpmath as mp

mp.mp.prec = 200
Function = Callable[[mp.mpf], mp.mpf]


def remez(f: Function, weight: Function, a: mp.mpf, b: mp.mpf, exponents: range) -> list[mp.mpf]:
    """Minimise the largest weight * |p - f| on [a, b] over the sums of these powers."""
    size = len(exponents) + 1
    points = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (size - i - mp.mpf(1) / 2) / size) for i in range(size)]
    for _ in range(60):
        system, values = mp.matrix(size, size), mp.matrix(size, 1)
        for i, x in enumerate(points):
            for j, exponent in enumerate(exponents):
                system[i, j] = weight(x) * x**exponent
            system[i, size - 1] = (-1) ** i
            values[i] = weight(x) * f(x)
        *p, level = mp.lu_solve(system, values)

        def error(x: mp.mpf, p: list[mp.mpf] = p) -> mp.mpf:
            return (sum(c * x**e for c, e in zip(p, exponents, strict=True)) - f(x)) * weight(x)

        extrema = alternating_extrema(error, a, b, size)
        if len(extrema) < size:
            break
        points = [x for x, _ in extrema]
        if max(abs(e) for _, e in extrema) < abs(level) * (1 + mp.mpf(10) ** -6):
            break
    return p


def alternating_extrema(error: Function, a: mp.mpf, b: mp.mpf, count: int) -> list[tuple[mp.mpf, mp.mpf]]:
    """Where a function's largest values of alternating sign lie, on a grid that is dense at the ends."""
    steps = 60 * count
    grid = [a + (b - a) * (1 - mp.cos(mp.pi * k / steps)) / 2 for k in range(steps + 1)]
    errors = [error(x) for x in grid]
    found: list[tuple[mp.mpf, mp.mpf]] = []
    for k, e in enumerate(errors):
        if abs(e) < max(abs(errors[max(k - 1, 0)]), abs(errors[min(k + 1, steps)])):
            continue
        if not found or (e > 0) != (found[-1][1] > 0):
            found.append((grid[k], e))
        elif abs(e) > abs(found[-1][1]):
            found[-1] = (grid[k], e)
    while len(found) > count:
        found.pop(0 if abs(found[0][1]) < abs(found[-1][1]) else -1)
    return found


def rounded(x: mp.mpf, single: bool) -> mp.mpf:
    return mp.mpf(struct.unpack("f", struct.pack("f", float(x)))[0] if single else float(x))


def fit(f: Function, a: float, b: float, degree: int, single: bool, first: mp.mpf) -> list[mp.mpf]:
    """Coefficients c_0 .. c_degree: the first as given, the others of the working precision."""
    low, high = (mp.mpf(x) if x else mp.mpf(a + b) * mp.mpf(10) ** -6 for x in (a, b))
    done = [first]
    while len(done) <= degree:

        def rest(x: mp.mpf, p: tuple[mp.mpf, ...] = tuple(done)) -> mp.mpf:
            return f(x) - mp.polyval(p[::-1], x) if p else f(x)

        done.append(rounded(remez(rest, lambda x: 1 / abs(f(x)), low, high, range(len(done), degree + 1))[0], single))
    return done


def largest_error(f: Function, p: list[mp.mpf], a: float, b: float) -> mp.mpf:
    grid = [mp.mpf(a) + (mp.mpf(b) - a) * (2 * k + 1) / 4000 for k in range(2000)]
    return max(abs(mp.polyval(p[::-1], x) / f(x) - 1) for x in grid)


def neg2log1p(s: mp.mpf) -> mp.mpf:
    return -2 * mp.log1p(s) / s


def sine(z: mp.mpf) -> mp.mpf:
    return mp.sin(mp.pi / 4 * mp.sqrt(z)) / mp.sqrt(z)


def cosine(z: mp.mpf) -> mp.mpf:
    return mp.cos(mp.pi / 4 * mp.sqrt(z))


# name, function, interval, degree in float and in double, first coefficient
TABLE = [
    ("NEG2LOG1P", neg2log1p, -0.5, 0.0, 8, 20, mp.mpf(-2)),
    ("SINE", sine, 0.0, 1.0, 3, 6, mp.pi / 4),
    ("COSINE", cosine, 0.0, 1.0, 4, 7, mp.mpf(1)),
]
MEANING = {
    "NEG2LOG1P": "-2 log(1 + s) / s on [-1/2, 0]",
    "SINE": "sin(pi/4 y) / y in z = y y on [0, 1]",
    "COSINE": "cos(pi/4 y) in z = y y on [0, 1]",
}


def main() -> None:
    print("/* Made by coefficients.py; lowest degree first. */")
    for name, f, a, b, *degrees, first in TABLE:
        for degree, single in zip(degrees, (True, False), strict=True):
            p = fit(f, a, b, degree, single, first)
            error = mp.nstr(mp.log(largest_error(f, p, a, b), 2), 4)
            ctype, array = ("float", f"{name}_F32") if single else ("double", f"{name}_F64")
            print(f"\n/* {MEANING[name]}: relative error 2^{error} */")
            rows = ",\n    ".join(literal(c, single) for c in p)
            print(f"static const {ctype} {array}[{degree + 1}] = {{\n    {rows}}};")
            if rounded(first, single) != first:
                rest = literal(first - rounded(first, single), single)
                print(f"static const {ctype} {array}_REST = {rest}; /* of the first */")


def literal(x: mp.mpf, single: bool) -> str:
    return re.sub(r"\.?0*p", "p", float(rounded(x, single)).hex()) + "f" * single


if __name__ == "__main__":
    main()
