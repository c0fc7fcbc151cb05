"""The benchmark: what the controls cost, measured against applications that have none.

    .venv/bin/python -m tests.bench [--quick]      (`make bench`)

All servers of a run stand side by side, run in the same way (`serving`) and are driven by the same
load generator (`load`, a process of its own). They are measured in rounds that visit every side once,
each round in the reverse order of the one before; a ratio is formed inside a round and the median over
the rounds is reported. Absolute figures belong to the machine, ratios to the software.

`sides` says who is compared, `plan` who with whom and how long, `rounds` measures, `trail` times the
verifier and the export, `reporting` prints the table and writes `bench.json`.
"""
