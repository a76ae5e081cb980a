"""Units of measure: what a unit is worth in the base unit of its dimension."""

import re
from fractions import Fraction
from functools import cache

F = Fraction
PREFIXES = {
    "kilo": ("k", F(10**3)),
    "mega": ("M", F(10**6)),
    "giga": ("G", F(10**9)),
    "tera": ("T", F(10**12)),
    "deci": ("d", F(1, 10)),
    "centi": ("c", F(1, 100)),
    "milli": ("m", F(1, 10**3)),
    "micro": ("μu", F(1, 10**6)),
    "nano": ("n", F(1, 10**9)),
}
"""Name -> letters, each of which is the symbol, and what it multiplies with."""
METRIC = {
    "m": (("meter", "metre"), "m", F(1)),
    "g": (("gram", "gramme"), "kg", F(1, 1000)),
    "s": (("second",), "s", F(1)),
    "L": (("liter", "litre"), "m^3", F(1, 1000)),
    "J": (("joule",), "J", F(1)),
    "W": (("watt",), "W", F(1)),
    "V": (("volt",), "V", F(1)),
    "A": (("ampere", "amp"), "A", F(1)),
    "N": (("newton",), "N", F(1)),
    "Pa": (("pascal",), "Pa", F(1)),
    "Hz": (("hertz",), "Hz", F(1)),
    "B": (("byte",), "B", F(1)),
    "bit": (("bit",), "B", F(1, 8)),
    "Wh": (("watt-hour",), "J", F(3600)),
    "eV": (("electronvolt",), "eV", F(1)),
    "cal": (("calorie",), "J", F(4184, 1000)),
    "mol": (("mole",), "mol", F(1)),
    "Ω": (("ohm",), "Ω", F(1)),
}
"""Symbol -> names, the base unit, its worth; each takes metric prefixes."""
OTHERS: dict[str, tuple[str, Fraction]] = {
    name: (base, worth)
    for names, base, worth in (
        ("sec, secs", "s", F(1)),
        ("min, mins, minute", "s", F(60)),
        ("h, hr, hrs, hour", "s", F(3600)),
        ("day", "s", F(86400)),
        ("week, wk", "s", F(604800)),
        ("month", "month", F(1)),
        ("year, yr, yrs", "month", F(12)),
        ("inch, inches, in", "m", F(254, 10**4)),
        ("foot, feet, ft", "m", F(3048, 10**4)),
        ("yard, yd, yds", "m", F(9144, 10**4)),
        ("kms", "m", F(1000)),
        ("mile, mi", "m", F(1609344, 1000)),
        ("pound, lb, lbs", "kg", F(45359237, 10**8)),
        ("ounce, oz", "kg", F(45359237, 16 * 10**8)),
        ("tonne, metric ton", "kg", F(1000)),
        ("gallon, gal", "m^3", F(3785411784, 10**12)),
        ("l", "m^3", F(1, 1000)),
        ("ml", "m^3", F(1, 10**6)),
        ("acre", "m^2", F(40468564224, 10**7)),
        ("hectare, ha", "m^2", F(10**4)),
        ("mph", "m s^-1", F(1609344, 3600 * 1000)),
        ("kph, kmph", "m s^-1", F(1000, 3600)),
        ("°, degree, deg", "deg", F(1)),
        ("radian, rad", "rad", F(1)),
        ("atm, atmosphere", "Pa", F(101325)),
        ("bar", "Pa", F(10**5)),
        ("kelvin, K", "K", F(1)),
        ("dollar, usd, buck, US dollar, $", "USD", F(1)),
        ("cent, ¢", "USD", F(1, 100)),
        ("euro, eur, €", "EUR", F(1)),
        ("pound sterling, gbp, £", "GBP", F(1)),
        ("yen, jpy, ¥", "JPY", F(1)),
        ("rupee, inr, ₹", "INR", F(1)),
        ("kb, KB", "B", F(1000)),
        ("KiB", "B", F(1024)),
        ("MiB", "B", F(1024**2)),
        ("GiB", "B", F(1024**3)),
    )
    for name in names.split(", ")
}
CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
TEMPERATURES = {
    name: kelvin
    for names, kelvin in (
        ("°c, ° c, celsius, degrees celsius, degree celsius, deg c, degrees c", (F(1), F(27315, 100))),
        ("°f, ° f, fahrenheit, degrees fahrenheit, degree fahrenheit, deg f, degrees f", (F(5, 9), F(45967, 180))),
    )
    for name in names.split(", ")
}
"""Scale -> what to multiply with and to add, to get kelvin."""
POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
FACTOR = re.compile(
    r"(?:(square|sq\.?|cubic|cu\.?) )?([¢$€£¥₹]|[A-Za-z°Ωμ]+(?:-hour)?)(?: ?\^ ?\(?(-?\d)\)?| (squared|cubed))?"
)
JOINT = re.compile(r" ?(/|\*) ?| (per) | (?=[A-Za-z])|-(?=hour)")


@cache
def table() -> dict[str, tuple[str, Fraction]]:
    """Return every unit by the way it is written."""
    units = dict(OTHERS)
    for symbol, (names, base, worth) in METRIC.items():
        units |= dict.fromkeys((symbol, *names), (base, worth))
        for prefix, (letters, factor) in PREFIXES.items():
            short = [] if symbol == "bit" else [letter + symbol for letter in letters]
            units |= dict.fromkeys((*short, *(prefix + name for name in names)), (base, worth * factor))
    return units | {name: units[name] for name in OTHERS}


def unit(name: str) -> tuple[str, Fraction] | None:
    """Return base and worth of one unit; words and longer symbols in any case, and in the plural."""
    known = table()
    for cased in (name, name.lower()) if len(name) > 1 else (name,):
        singular = cased.removesuffix("s") if len(cased) > 3 else cased
        shorter = cased.removesuffix("es") if len(cased) > 4 else cased
        for spelled in (cased, singular, shorter):
            if spelled in known:
                return known[spelled]
    return None


def read_unit(text: str) -> tuple[str, Fraction] | None:
    """Return the dimension of a unit such as `km/h` or `square meters`, and its worth in base units."""
    text = " ".join(text.split())
    if not text or len(text) > 60:
        return None
    powers: dict[str, int] = {}
    worth, at, sign = F(1), 0, 1
    while found := FACTOR.match(text, at):
        known = unit(found[2])
        if known is None:
            return None
        before, behind = POWERS.get((found[1] or "").rstrip("."), 1), POWERS.get(found[4] or "", 1)
        power = before * int(found[3] or behind)
        if abs(power) > 6:
            return None
        for part in known[0].split(" "):
            base, _, raised = part.partition("^")
            powers[base] = powers.get(base, 0) + sign * power * int(raised or 1)
        worth *= known[1] ** (sign * power)
        at = found.end()
        if at == len(text):
            left = sorted((base, power) for base, power in powers.items() if power)
            return " ".join(base if power == 1 else f"{base}^{power}" for base, power in left), worth
        joint = JOINT.match(text, at)
        if joint is None:
            return None
        sign = -1 if joint[1] == "/" or joint[2] or (sign < 0 and joint[1] != "*") else 1
        at = joint.end()
    return None
