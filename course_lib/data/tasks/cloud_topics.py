"""Which cloud service is a passage of documentation about?

There are 30 services, and neither their names nor copies to go by. Three things would make the
question too easy, or the score too good:

*Names.* Most passages name their service. Names are replaced by ``this service``: every name,
abbreviation and prefix of every service of the archive, what follows ``Amazon`` or ``AWS`` in
capitals, and the popular short forms in ``SHORT``. ``notes`` of the task says how many passages
named their own service before and after (after: inside identifiers such as ``KmsKeyId``, which
stay). Words of the trade stay too: who reads of *buckets* may know that it is about storage. That
is the topic, not a leak.

*Copies.* Services and operations copy each other's text. Passages that are alike
(:mod:`~course_lib.data.tasks.likeness`) form a group, and a group is on one side. Groups that hold
several services have no right answer and are dropped.

*Length.* A passage is cut after ``LONGEST`` characters, at a word, so that every method sees the
same.

Held out are 15 % of the groups each for validation and test, by the hash of their first passage.
The text of all splits is also in the corpus ``cloud-docs``, without the labels: of an encoder that
was pre-trained on it, say so.

Cost: about 20 s, once.

>>> pattern = names_pattern([{"serviceId": "S3", "endpointPrefix": "s3"}, {"serviceId": "KMS"}])
>>> mask_names("Use Amazon S3 or AWS Key Management Service (KMS) in the KMS console.", pattern)
'Use this service or this service in the this service console.'
>>> mask_names("It needs s3:GetObject.", pattern)
'It needs service:GetObject.'
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..records import normalise, split_of, text_id
from ..sources import SHORTEST_PASSAGE, documentation, strip_tags
from .likeness import groups_of, text_windows

SERVICES = (
    "autoscaling", "backup", "batch", "cloudformation", "cloudfront", "cognito-idp", "connect",
    "dms", "dynamodb", "ec2", "ecs", "fsx", "gamelift", "glue", "iam", "iot", "kendra", "kms",
    "lexv2-models", "logs", "mediaconvert", "network-firewall", "quicksight", "rds", "redshift",
    "rekognition", "route53", "s3", "sagemaker", "transcribe")  # fmt: skip
SHORT = {
    "cloudformation": ("CloudFormation", "CFN"),
    "cloudfront": ("CloudFront",),
    "cognito-idp": ("Cognito",),
    "dms": ("Database Migration Service",),
    "ecs": ("Elastic Container Service",),
    "fsx": ("FSx",),
    "gamelift": ("GameLift",),
    "iot": ("IoT Core", "IoT"),
    "lexv2-models": ("Lex V2", "Lex"),
    "logs": ("CloudWatch Logs", "CloudWatch"),
    "mediaconvert": ("MediaConvert", "Elemental"),
    "network-firewall": ("Network Firewall",),
    "quicksight": ("QuickSight", "Quick Sight"),
    "rds": ("Aurora",),
    "route53": ("Route 53", "Route53"),
    "sagemaker": ("SageMaker AI", "SageMaker"),
    "autoscaling": ("Auto Scaling",),
}
LONGEST = 400  # characters of a passage
MOST = 200  # passages of a service
HELD_OUT = 0.15
VENDOR = re.compile(
    r"\b(?:Amazon|AWS)(?: (?:[A-Z0-9][\w.-]*|for|and|of|on)(?= [A-Z]))* "
    r"[A-Z][\w-]*(?: \([A-Z][\w ]*\))?"
)
AGAIN = re.compile(r"this service(?: \(this service\)|(?:[ ,]+(?:and )?this service)+)")


def read(folder: Path, mask: bool = True) -> Iterator[tuple[str, str]]:
    """(service, passage) for every passage of ``SERVICES``, cut; without names if ``mask``."""
    data = folder / "botocore" / "data"
    pattern = names_pattern(_metadata(data)) if mask else None
    for service in SERVICES:
        newest = max((data / service).glob("*/service-2.json.gz"))
        seen = set()
        for passage in map(strip_tags, documentation(_model(newest))):
            if len(passage) > SHORTEST_PASSAGE and not (key := normalise(passage)) in seen:
                seen.add(key)
                yield service, cut(mask_names(passage, pattern) if pattern else passage)


def _metadata(data: Path) -> Iterator[dict]:
    for service in sorted(path for path in data.iterdir() if path.is_dir()):
        newest = max(service.glob("*/service-2.json.gz"), default=None)
        if newest:
            yield {"name": service.name, **_model(newest)["metadata"]}


def _model(file: Path) -> dict:
    return json.loads(gzip.decompress(file.read_bytes()))


def cut(text: str, longest: int = LONGEST) -> str:
    """``text`` up to the last whole word within ``longest`` characters."""
    if len(text) <= longest:
        return text
    return text[: longest + 1].rpartition(" ")[0] or text[:longest]


def names_pattern(metadata: Iterable[Mapping]) -> re.Pattern:
    """One pattern for the names of all services, and for their prefixes before ``:`` or ``.``.

    The longest come first.
    """
    names, prefixes = set(), set()
    for entry in metadata:
        for key in ("serviceFullName", "serviceAbbreviation", "serviceId"):
            if name := entry.get(key):
                names |= {name, re.sub(r"^(?:Amazon|AWS) ", "", name)}
        prefixes |= {entry.get(key) for key in ("endpointPrefix", "signingName", "name")} - {None}
    names |= {name for short in SHORT.values() for name in short}
    ordered = sorted((n for n in names if len(n) > 1), key=lambda n: (-len(n), n))
    spelled = "|".join(re.escape(n).replace(r"\ ", r"[ -]?") for n in ordered)
    lower = "|".join(re.escape(p) for p in sorted(prefixes, key=lambda p: (-len(p), p)))
    prefix = rf"(?P<prefix>(?<![\w-])(?:{lower})(?=[:.](?=\w)))"
    return re.compile(rf"{prefix}|(?<![A-Za-z0-9])(?:{spelled})(?![a-z0-9])")


def mask_names(text: str, pattern: re.Pattern) -> str:
    """``text`` with ``this service`` for each name.

    A prefix such as that of ``s3:GetObject`` becomes ``service``.
    """
    text = VENDOR.sub("this service", text)
    text = pattern.sub(lambda m: "service" if m["prefix"] else "this service", text)
    return AGAIN.sub("this service", text)


def named(passages: Iterable[tuple[str, str]], metadata: Iterable[Mapping]) -> float:
    """The share of (service, passage) pairs that hold a name of their own service.

    It counts anywhere, also inside a longer word.
    """
    own = {entry["name"]: _own_names(entry) for entry in metadata if entry["name"] in SERVICES}
    found = [any(name in normalise(text) for name in own[service]) for service, text in passages]
    return sum(found) / max(1, len(found))


def _own_names(entry: Mapping) -> set[str]:
    full = {entry.get(key) or "" for key in ("serviceFullName", "serviceAbbreviation", "serviceId")}
    short = {re.sub(r"^(?:Amazon|AWS) ", "", name) for name in full}
    short |= set(SHORT.get(entry["name"], ()))
    return {normalise(name) for name in short if len(name) > 1}


def rows(folder: Path) -> Iterator[list]:
    """The notes, and then [split, text, label, group] for each example."""
    passages = list(read(folder))
    groups = groups_of([text_windows(text) for _, text in passages])
    services = defaultdict(set)
    for (service, _), group in zip(passages, groups, strict=True):
        services[group].add(service)
    metadata = list(_metadata(folder / "botocore" / "data"))
    before, after = named(read(folder, mask=False), metadata), named(passages, metadata)
    unclear = sum(len(services[group]) > 1 for group in groups)
    kept, texts = defaultdict(list), set()
    # any fixed order that mixes operations
    order = sorted(range(len(passages)), key=lambda i: text_id(passages[i][1]))
    for i in order:
        service, text = passages[i]
        if len(services[groups[i]]) > 1 or len(kept[service]) >= MOST:
            continue
        if (key := normalise(text)) not in texts:
            texts.add(key)
            kept[service].append((text, groups[i]))
    notes = (
        f"Names of services are masked: {before:.0%} of the passages held a name of their own "
        f"service, {after:.1%} still do, inside identifiers. {unclear} passages that are nearly "
        "the same in several services were dropped. Passages that are nearly the same are in one "
        f"split; each is cut at {LONGEST} characters."
    )
    yield [notes]
    for label, service in enumerate(SERVICES):
        for text, group in sorted(kept[service]):
            key = f"cloud-topics/{text_id(passages[group][1])}"
            yield [split_of(key, HELD_OUT), text, label, key]
