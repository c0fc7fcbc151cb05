"""Segments: months, and the tree over whose entries they hold."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from app.audit import segments
from app.audit.segments import Subject, Subjects
from app.audit.verify import month_after, root_over, start_of, subject_key

ORG = "0190a000-0000-7000-8000-00000000000a"
RESIDENTS = [f"0190a000-0000-7000-8000-0000000{n:05}" for n in range(40)]


def tree(count, month="2026-10"):
    """Return the subjects of a segment with so many residents, in an order of no meaning."""
    return Subjects(ORG, month, [Subject(r, n + 1, 10 * n) for n, r in enumerate(RESIDENTS[:count])][::-1])


def naive_root(leaves):
    """RFC 6962 as it is written, from hashlib alone."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + naive_root(leaves[:middle]) + naive_root(leaves[middle:])).digest()


def naive_leaves(count):
    """Return the leaves of so many residents and of nobody, 1024 in all, in the order of their keys."""
    held = [naive_leaf(r, n + 1, 10 * n) for n, r in enumerate(RESIDENTS[:count])]
    for n in range(1024 - count):
        key = sha256(b"caretrail/v1 nobody\n" + f"{ORG}\n2026-10\n{n}".encode()).digest()
        held.append((key, sha256(b"\0" + key + sha256(b"\2").digest()).digest()))
    return [leaf for _, leaf in sorted(held)]


def naive_leaf(resident, entries, last):
    """Return key and leaf of a resident, from hashlib alone."""
    key = sha256(b"caretrail/v1 subject\n" + f"{ORG}\n2026-10\n{resident}".encode()).digest()
    held = b'{"count":%d,"last":%d,"resident":"%s"}' % (entries, last, resident.encode())
    return key, sha256(b"\0" + key + sha256(b"\2" + held).digest()).digest()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 40])
def test_the_root_is_that_of_rfc_6962_over_the_residents(count):
    """The root is that of the leaves in the order of their keys, however the residents come."""
    assert tree(count).root == naive_root(naive_leaves(count))


def test_no_size_tells_how_many_residents_there_are():
    """Up to 1,024 residents the tree has 1,024 leaves, and every path the same length; then twice as many."""
    many = [Subject(f"resident {n}", 1, n) for n in range(1025)]
    sizes = [len(Subjects(ORG, "2026-10", many[:count])) for count in (0, 1, 1023, 1024, 1025)]
    paths = {len(placed.path) for count in (0, 1, 39) for placed in tree(count).of(RESIDENTS[39])[1]}

    assert sizes == [1024, 1024, 1024, 1024, 2048]
    assert paths == {10}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_each_resident_is_proven(count):
    """Count and last entry of every resident lead to the root, from the place that is told."""
    subjects = tree(count)
    for n, resident in enumerate(RESIDENTS[:count]):
        subject, [placed] = subjects.of(resident)
        leaf = naive_leaf(resident, n + 1, 10 * n)[1]

        assert subject == (resident, n + 1, 10 * n)
        assert root_over(leaf, placed.at, 1024, placed.path) == subjects.root


@pytest.mark.parametrize("count", [0, 1, 2, 7, 39])
def test_that_a_resident_has_no_entry_is_proven_by_the_leaves_beside(count):
    """Two neighbours, one below and one above - or the first, or the last - leave no place between them."""
    subjects, absent = tree(count), RESIDENTS[39]
    subject, beside = subjects.of(absent)
    key = subject_key(ORG, "2026-10", absent)

    assert subject is None
    assert len(beside) == 2 or beside[0].at in (0, 1023)
    assert [placed.leaf.key < key for placed in beside] == sorted(
        (placed.leaf.key < key for placed in beside), reverse=True
    )
    for placed in beside:
        assert root_over(placed.leaf.hash(), placed.at, 1024, placed.path) == subjects.root
        assert absent.encode() not in placed.leaf.key + placed.leaf.held


def test_a_proof_names_nobody_else():
    """Neither the key nor what is held of another resident can be read: both are hashes of a random id."""
    _, beside = tree(39).of(RESIDENTS[39])
    shown = repr(beside)

    assert not any(resident in shown for resident in RESIDENTS)


def test_keys_differ_between_months_and_chains():
    """What stands for a resident in one month says nothing about another."""
    keys = {subject_key(org, m, RESIDENTS[0]) for org in (ORG, "system") for m in ("2026-10", "2026-11")}

    assert len(keys) == 4


@pytest.mark.parametrize(
    ("month", "after"), [("2026-01", "2026-02"), ("2026-12", "2027-01"), ("2026-09", "2026-10")]
)
def test_months_follow_each_other(month, after):
    """The month after December is January."""
    assert month_after(month) == after
    assert segments.month_of(start_of(after)) == after


def test_a_month_is_over_with_its_last_instant():
    """At the last instant of a month it is not over, at the next it is."""
    assert not segments.is_over("2026-10", datetime(2026, 10, 31, 23, 59, 59, 999999, tzinfo=UTC))
    assert segments.is_over("2026-10", datetime(2026, 11, 1, tzinfo=UTC))
