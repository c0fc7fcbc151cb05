"""What entries call what was done: every act the service writes.

Whoever searches the trail for another word is told so: an empty list would say that it never happened.
"""

from app.access.operations import OPERATIONS, UNMATCHED

OF_REQUESTS = frozenset(row.act for row in (*OPERATIONS.values(), UNMATCHED))
_OTHERS = """
    alert.link alert.raise alert.stream.end
    audit.export.end audit.housekeeping audit.reindex auth.throttled backup.create backup.drill backup.offsite
    chain.recover clock.step continuity.pack continuity.pack.end continuity.run detection.judge
    detection.run disk.full disk.room idempotency.forget
    identity.set identity.settle import.run incident.clock incident.clocks incident.pack.end
    integrity.fail job.lost jobs.forget jobs.keeping
    key.rewrap key.rotate organisation.create record.create resident.create resident.erase
    resident.access_answer resident.access_extend resident.access_list resident.access_request
    resident.export resident.export_end resident.hold resident.hold_lift retention.approve retention.due
    retention.review retention.schedule retention.schedule_read replication.degrade replication.restore
    role.adopt role.create sessions.forget sessions.keeping
    schema.change segment.close segment.prune shift.create user.reset user.suspend
    webhook.dispatch webhook.switch_off
"""
OF_OTHERS = frozenset(_OTHERS.split())
"""Of commands and of the service itself, and those that go with a request's own."""
ALL = OF_REQUESTS | OF_OTHERS
