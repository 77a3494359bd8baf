"""What ``make strict`` checks annotations with: beartype, for which a whole number is a float too,
as in Python's own rules of typing (PEP 484).
"""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
