"""Care records in other formats. Today: FHIR R4 bundles coming in. See README.md.

`fhir.plan` is pure: it reads a bundle and says what it would make of it, resource by
resource. Nothing is stored here; whoever stores the plan does so through the door.
"""
