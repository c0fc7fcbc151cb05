"""A care home that is not there: 90 days of a 60-bed home, written through the real code.

    days.py        local time, and what a day is
    people.py      who works there, and from which devices
    house.py       the world they work in: two homes, residents, what is recorded at first
    rota.py        who is on duty when, as planned and as it came
    asking.py      what one of them presents at the door
    playing.py     deeds in order of time, sessions, turns
    caring.py      an ordinary shift of those who care
    running.py     an ordinary day of those who run the home; exporting.py, backing_up.py
    misusing.py    every kind of misuse in its sizes; staging.py, misusing_*.py
    simulating.py  one seed, from the founding to the last day
    watching.py    the real consumer beside it
    matching.py    which alert tells of which misuse
    reporting.py   recall, false alerts, the table; `make detect-report`
    live.py        time to alert on a server process; live_misuse.py

What it is and what it is not: decision 0030.
"""
