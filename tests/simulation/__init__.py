"""A care home that is not there: 90 days of a 60-bed home, written through the real code.

    days.py       local time, and what a day is
    people.py     who works there, and from which devices
    house.py      the world they work in: two homes, residents, what is recorded at first
    rota.py       who is on duty when, as planned and as it came
    asking.py     what one of them presents at the door
    playing.py    deeds in order of time, sessions, turns
    caring.py     an ordinary shift of those who care
    running.py    an ordinary day of those who run the home
    misusing*.py  misuse of each kind, in sizes, labelled
    simulating.py one seed, from the founding to the last day
    matching.py   which alert tells of which misuse

What it is and what it is not: decision 0030.
"""
