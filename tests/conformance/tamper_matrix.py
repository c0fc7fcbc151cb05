"""The tamper matrix: 46 ways to tamper with a trail, where each is found, and in which words.

One `Row` for each tampering, with the ways it was tried (`Way`): what is done to a deployment made by the
real server (a function of `tamper_lines`, `tamper_signed` or `tamper_rows`), which check is then run, the
exit code, and words its report must hold. `{...}` in the words is filled with what the function returns.

    Export     `verify.py EXPORT.zip --key KEY`, alone, as an auditor runs it
    Anchored   the same with `--anchors`: checkpoints the auditor kept from earlier visits
    Database   `caretrail audit verify --state` on the tampered database
    Start      `caretrail serve`: a start that is refused ends with 2
    Said       no check of ours: what the database, the service or the guide says itself

What a row cannot show stands in its `limit`, and a check that finds nothing is there with exit code 0.
"""

from typing import Literal, NamedTuple

Check = Literal["Export", "Anchored", "Database", "Start", "Said"]


class Way(NamedTuple):
    """One way to do it: the function, the check, how it ends, what it says."""

    tampering: str
    check: Check
    code: int
    words: str
    also: str = ""


class Row(NamedTuple):
    """A row of the matrix."""

    number: int
    tampering: str
    found_by: str
    ways: tuple[Way, ...]
    limit: str = ""


PAYLOAD = "PAYLOAD #{n}: its bytes do not give the leaf that line #{next} names"
UNANCHORED = "not anchored: no checkpoint kept elsewhere was compared"
ROOT_EXPORT = "ROOT: the first {s} lines do not have the root signed in checkpoint "
ROOT_STORED = (
    "ROOT #{r}: the first {s} lines have another root than a stored checkpoint signs; the newest signed size"
    " that holds is {r}"
)
ROOT_GUARD = ": the first {s} lines have another root than the guard file signs"
ROOT_ANCHOR = "ROOT(anchor): the first {kept} lines do not have the root signed in anchor 0.note"
TRUNCATED_ANCHOR = "TRUNCATED(anchor) #{t}: anchor 1.note signs {s} lines, {missing} of them are missing"
ROLLBACK = "ROLLBACK #{t}: the guard file signs {s} lines, {missing} of them are missing"
GAP = "SEQ #{n}: line #{next} stands where #{n} is due: line #{n} is missing"
SWAPPED = "SEQ #{n}: line #{next} stands where #{n} is due: lines changed places"
AGAIN = "SEQ #{next}: line #{n} stands where #{next} is due: a line is repeated or out of order"
STATE_ROW = "row differs from entry #{n}, version {v}"
STATE_MOVED = "STATE: record {id}: it stands under another resident than its entries say"
SCHEMA = "SCHEMA: {what}"

# fmt: off
MATRIX = (
    Row(1, "edit a payload", "leaf, link of the next line", (
        Way("payload_in_export", "Export", 1, PAYLOAD,
            "MANIFEST: events.jsonl is not the file that the manifest lists"),
        Way("payload_in_database", "Database", 1, PAYLOAD),
    )),
    Row(2, "edit a payload and its own hash", "link of the next line", (
        Way("payload_and_hash_in_export", "Export", 1, PAYLOAD),
        Way("payload_and_link_in_export", "Export", 1, PAYLOAD),
        Way("payload_and_hash_in_database", "Database", 1, PAYLOAD),
    )),
    Row(3, "edit, and compute all later lines anew", "signed root", (
        Way("rechained_in_export", "Export", 1, ROOT_EXPORT, ", the first {r} do"),
        Way("rechained_in_database", "Database", 1, ROOT_STORED),
    )),
    Row(4, "the same, signed with another key", "the verifier key", (
        Way("another_key_in_export", "Export", 1,
            "CHECKPOINT: checkpoints.note is not signed by the key {ours}", ", but by {theirs}"),
        Way("another_key_in_database", "Database", 1, "CHECKPOINT: the stored checkpoint of size "),
    )),
    Row(5, "the same, signed with the stolen key", "a checkpoint kept elsewhere, the guard file", (
        Way("stolen_key_in_export", "Export", 0, UNANCHORED),
        Way("stolen_key_in_export", "Anchored", 1, ROOT_ANCHOR),
        Way("stolen_key_in_database", "Database", 1, ROOT_GUARD),
        Way("stolen_key_in_database", "Start", 2, "ROLLBACK: the chain "),
        Way("stolen_key_and_guard", "Database", 0, UNANCHORED),
    ), limit="without a checkpoint kept elsewhere it cannot be seen, and the report says so"),
    Row(6, "rewrite all from the first line, and rows, with the stolen key", "a checkpoint kept elsewhere", (
        Way("from_genesis_in_export", "Export", 0, UNANCHORED),
        Way("from_genesis_in_export", "Anchored", 1, ROOT_ANCHOR),
        Way("from_genesis_in_database", "Database", 0, UNANCHORED),
    ), limit="as row 5"),
    Row(7, "swap two lines", "number, link; root", (
        Way("swapped_in_export", "Export", 1, SWAPPED),
        Way("swapped_and_renumbered", "Export", 1, ROOT_EXPORT),
        Way("swapped_in_database", "Database", 1, SWAPPED),
    )),
    Row(8, "delete a line in the middle", "gap in the numbers; root", (
        Way("deleted_in_export", "Export", 1, GAP),
        Way("deleted_and_renumbered", "Export", 1, ROOT_EXPORT),
        Way("deleted_in_database", "Database", 1, GAP),
    )),
    Row(9, "cut the end off, checkpoints kept", "signed size", (
        Way("truncated_in_export", "Export", 1,
            "TRUNCATED #{t}: checkpoint {k} signs {s} lines, {missing} of them are missing"),
        Way("truncated_in_database", "Database", 1,
            "TRUNCATED #{t}: a stored checkpoint signs {s} lines, {missing} of them are missing"),
    )),
    Row(10, "cut back to an older checkpoint, newer ones dropped", "guard file, rows; kept checkpoint", (
        Way("cut_to_checkpoint_in_export", "Export", 0, UNANCHORED),
        Way("cut_to_checkpoint_in_export", "Anchored", 1, TRUNCATED_ANCHOR),
        Way("cut_to_checkpoint_in_database", "Database", 1, ROLLBACK,
            "STATE: record {note}: row is at version 3, the chain says 2"),
        Way("cut_to_checkpoint_in_database", "Start", 2, "ROLLBACK: the guard of the chain "),
    ), limit="an export that ends earlier is whole in itself: only a checkpoint kept elsewhere tells"),
    Row(11, "restore an old backup, consistent in itself", "guard file; a checkpoint kept elsewhere", (
        Way("backup_without_guard", "Database", 1, ROLLBACK),
        Way("backup_without_guard", "Start", 2, "ROLLBACK: the guard of the chain ",
            "holds {s} lines, the database {t}."),
        Way("backup_with_guard", "Database", 0, UNANCHORED),
        Way("backup_with_guard", "Export", 0, UNANCHORED),
        Way("backup_with_guard", "Anchored", 1, TRUNCATED_ANCHOR),
    ), limit="with the guard file set back, too, only a checkpoint kept elsewhere tells"),
    Row(12, "insert a forged line in the middle", "number, link", (
        Way("forged_in_export", "Export", 1, AGAIN),
        Way("forged_in_database", "Database", 1, AGAIN),
    )),
    Row(13, "duplicate a line", "number; primary key", (
        Way("duplicated_in_export", "Export", 1, AGAIN),
        Way("duplicated_in_database", "Database", 1, AGAIN),
    )),
    Row(14, "append a forged line that links well", "no checkpoint covers it", (
        Way("appended_in_export", "Export", 2,
            "TAIL: the lines from #{t} on are not covered by a checkpoint"),
        Way("appended_in_database", "Database", 2, "TAIL: the lines from #{t} on are not signed yet"),
    ), limit="cannot vouch, until it is signed: then it is a line by the hand of whoever may write"),
    Row(15, "replay an older line over a later one", "link, number inside the line", (
        Way("replayed_in_export", "Export", 1,
            "CHAIN #{n}: the line does not name the leaf of the line before it"),
        Way("replayed_in_database", "Database", 1, "SEQ #{n}: line #{older} stands where #{n} is due"),
    )),
    Row(16, "move in a line of another organisation", "organisation inside the line", (
        Way("moved_in_export", "Export", 1, "BINDING #{n}: the line belongs to the chain of {theirs}"),
        Way("moved_in_database", "Database", 1, "BINDING #{n}: the line belongs to the chain of {theirs}"),
    )),
    Row(17, "present the whole trail of another organisation", "origin, key; first link", (
        Way("another_log_in_export", "Export", 1, "ORIGIN: the export is of {theirs}, the key of {ours}"),
        Way("another_log_in_database", "Database", 1,
            "BINDING #0: the line belongs to the chain of {theirs}"),
    )),
    Row(18, "swap sealed values between lines", "SHA-256 of the sealed value in the line", (
        Way("ciphertexts_swapped", "Database", 1, "CIPHERTEXT #{n}: ", "it belongs elsewhere, to #{m}"),
    )),
    Row(19, "delete a sealed value without an erasure", "no entry erases it", (
        Way("ciphertext_deleted", "Database", 1, "VALUE MISSING #{n}: ", "no erasure recorded"),
    )),
    Row(20, "exchange the wrapped key of a resident", "digest of the row", (
        Way("wrapped_key_swapped", "Database", 1, "STATE: resident {id}: " + STATE_ROW),
    )),
    Row(21, "UPDATE a record past the service", "digest of the row", (
        Way("record_updated", "Database", 1, "STATE: record {id}: " + STATE_ROW),
        Way("record_moved_to_nobody", "Database", 1, STATE_MOVED),
        Way("record_moved_to_the_erased", "Database", 1, STATE_MOVED),
        Way("version_moved_to_nobody", "Database", 1, STATE_MOVED),
        Way("version_moved_to_the_erased", "Database", 1, STATE_MOVED),
    )),
    Row(22, "set a record back to an earlier version", "version in the entry", (
        Way("record_set_back", "Database", 1,
            "STATE: record {id}: row was set back to version {before}, the chain says {v} (entry #{n})"),
    )),
    Row(23, "DELETE a record", "rows and entries, both ways", (
        Way("record_deleted", "Database", 1,
            "STATE: record {id}: row missing, no entry deletes it (entry #{n}, version {v})"),
    )),
    Row(24, "INSERT a record", "rows and entries, both ways", (
        Way("record_inserted", "Database", 1, "STATE: record {id}: row without an entry: no entry makes it"),
    )),
    Row(25, "put the sealed body of one record into another", "digest of the row", (
        Way("bodies_swapped", "Database", 1, "STATE: record {plain}: row differs from entry #{n}, version 1",
            "STATE: record {other}: row differs from entry #{m}, version 1"),
    )),
    Row(26, "change a person's name", "identity entries; digest of the row", (
        Way("name_in_the_table", "Database", 1, "STATE: user {id}: " + STATE_ROW),
        Way("name_pointed_elsewhere", "Database", 1,
            "IDENTITY: user {id}: the row points to entry #{before}, the chain's is #{n}"),
        Way("name_beside_the_line", "Database", 1,
            "IDENTITY: user {id}: the name sealed beside entry #{n} is missing or does not open"),
    )),
    Row(27, "widen a role", "digest of the row", (
        Way("role_widened", "Database", 1, "STATE: role kitchen: row differs from entry #{n}, version 1"),
    )),
    Row(28, "spell a line otherwise: white space, a key twice", "canonical form, though signed", (
        Way("whitespace_in_export", "Export", 1, "CANON #{n}: the line is not canonical: written again"),
        Way("duplicate_key_in_export", "Export", 1, "CANON #{n}: the line is not canonical: written again"),
    )),
    Row(29, "backdate a line, with the stolen key", "order of the times", (
        Way("backdated_in_export", "Export", 1, "CLOCK #{n}: the line is earlier than the one before it"),
        Way("backdated_in_database", "Database", 1, "CLOCK #{n}: the line is earlier than the one before it"),
    )),
    Row(30, "set the server's clock back, then go on", "an entry says so; times never go back", (
        Way("clock_set_back", "Export", 0, "lines are one unbroken chain",
            "the server's clock was set back by 180 s; lines near it are dated too late"),
        Way("clock_set_back", "Database", 0, "lines are one unbroken chain"),
    ), limit="no lie: a warning, and the lines bear the newest time before them"),
    Row(31, "edit size or root of a checkpoint", "signature", (
        Way("edited_root_in_export", "Export", 1, "CHECKPOINT: checkpoints.note has a broken signature"),
        Way("edited_root_in_database", "Database", 1,
            "CHECKPOINT: the stored checkpoint of size {s} was signed for another chain, size or root"),
    )),
    Row(32, "paste a checkpoint of another organisation", "origin, key", (
        Way("pasted_checkpoint_in_export", "Export", 1,
            "CHECKPOINT: checkpoints.note is not signed by the key {ours}", ", but by {theirs}"),
        Way("pasted_checkpoint_in_database", "Database", 1, "CHECKPOINT: the stored checkpoint of size {s}"),
    )),
    Row(33, "remove all checkpoints", "there are none", (
        Way("no_checkpoints_in_export", "Export", 2, "UNSIGNED: the export has no checkpoint"),
        Way("no_checkpoints_in_database", "Database", 1,
            "CHECKPOINT: the guard file holds a checkpoint of "),
    )),
    Row(34, "fork: two signed roots for one size", "comparing them", (
        Way("fork_in_export", "Export", 1,
            "FORK: size {s} has two signed roots: checkpoint {k}, checkpoint {l}"),
        Way("fork_in_database", "Database", 1, ROOT_GUARD),
        Way("fork_in_database", "Start", 2, "ROLLBACK: the chain "),
    )),
    Row(35, "show two auditors two histories", "two auditors who compare their checkpoints", (
        Way("split_view", "Export", 0, UNANCHORED),
        Way("split_view", "Anchored", 1,
            "FORK: size {s} has two signed roots: checkpoint {k}, anchor 0.note"),
        Way("guide", "Said", 0, "Compare them: equal size must mean equal root."),
    ), limit="each export is intact alone; found by itself only once a witness signs for one history"),
    Row(36, "a bit flips in a stored hash or line", "leaf; link", (
        Way("rotten_leaf_in_database", "Database", 1,
            "LEAF #{n}: the leaf stored beside the line is not the line's"),
        Way("rotten_line_in_database", "Database", 1, PAYLOAD),
        Way("rotten_line_in_export", "Export", 1, PAYLOAD),
    )),
    Row(37, "disable a trigger, widen a right", "digest over the definitions", (
        Way("trigger_disabled", "Database", 1, SCHEMA),
        Way("trigger_disabled", "Start", 2, SCHEMA),
        Way("right_widened", "Database", 1, SCHEMA),
    )),
    Row(38, "INSERT OR REPLACE, ON CONFLICT DO UPDATE", "triggers; chain", (
        Way("replaced_by_the_service", "Said", 1, ""),
        Way("replaced_past_protection", "Database", 1, PAYLOAD),
    )),
    Row(39, "empty, detach or drop a part of the trail", "triggers; signed size", (
        Way("emptied_by_the_owner", "Said", 1, "append-only"),
        Way("emptied_past_protection", "Database", 1, "TRUNCATED #0: a stored checkpoint signs"),
        Way("month_missing_in_export", "Export", 1,
            "SEGMENT #{n}: 2026-03 is missing as a whole: lines 0..{last}, closed by #{n}"),
        Way("month_missing_in_database", "Database", 1,
            "SEGMENT #{n}: 2026-03 is missing as a whole: lines 0..{last}, closed by #{n}"),
        Way("part_detached", "Start", 2, "{what}"),
        Way("dropped", "Database", 3, "audit_event"),
    )),
    Row(40, "edit events.csv or fhir.ndjson", "derived from the lines once more", (
        Way("csv_edited", "Export", 1, "CSV #{n}: row {row} of events.csv differs from line #{n}"),
        Way("fhir_edited", "Export", 1, "FHIR #{n}: row {row} of fhir.ndjson differs from line #{n}"),
    )),
    Row(41, "edit manifest.json", "its signature", (
        Way("manifest_edited", "Export", 1, "MANIFEST: manifest.sig signs another manifest.json"),
    )),
    Row(42, "leave entries out of a resident's export", "the count that closes each month", (
        Way("line_omitted", "Export", 1, "MANIFEST: events.jsonl is not the file that the manifest lists"),
        Way("line_omitted_and_sealed", "Export", 1,
            "SEGMENT #{n}: {all} entries of 2026-03 concern the resident, here are {here}"),
    )),
    Row(43, "exchange verify.py in the zip", "nothing in the zip", (
        Way("verifier_swapped", "Export", 1, "MANIFEST: verify.py is not the file that the manifest lists"),
        Way("verifier_swapped_and_sealed", "Export", 0, "intact"),
        Way("guide", "Said", 0, "The one inside the zip is for convenience; it cannot vouch for itself."),
    ), limit="cannot be detected by itself: the guide tells the auditor to use a copy of their own"),
    Row(44, "the trail can take no line, or is not asked to", "fail-closed; a comparison outside", (
        Way("trail_blocked", "Said", 503, "audit-unavailable"),
        Way("guide", "Said", 0,
            "a comparison with the proxy's own log (every answer carries the number of its entry)"),
    ), limit="changed software that writes no entry leaves no trace in any trail"),
    Row(45, "prune more than the rule allows", "the entry that prunes, the least of the rule", (
        Way("pruned_before_due", "Export", 1,
            "RETENTION #{n}: pruned before due: lines of 2026-03 were to be kept until 2034-04-01"),
        Way("pruned_by_a_short_rule", "Export", 1,
            "RETENTION #{n}: it prunes after a rule of 1 years, the least is 8"),
    )),
    Row(46, "forge an erasure to hide a value", "an erasure takes two people, and each is told of", (
        Way("erasure_by_one", "Export", 2,
            "ERASED: resident {ada} was erased under entry #{n}", "that takes two people"),
        Way("erasure_by_two", "Export", 0, "resident {ada} was erased under entry #{n}",
            "{one} asked, {other} approved"),
        Way("erasure_by_one_in_database", "Database", 2,
            "ERASED: resident {ada} was erased under entry #{n}", "that takes two people"),
    ), limit="with the stolen key and two names it passes; both people are named in every report"),
)
# fmt: on
