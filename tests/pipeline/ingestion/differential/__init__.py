"""Random tables, values and changes, moved by every way, then asked the same questions as their source.

kinds.py says what a value of PostgreSQL is in the lake; tables.py makes tables and changes; source.py writes them to
PostgreSQL and keeps what the lake should hold; ways.py moves them; questions.py is what is asked, engines.py by whom.
"""
