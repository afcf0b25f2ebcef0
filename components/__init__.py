"""The parts of the program: one folder for each role, and in it one file for each component (decision 0113).

`__main__.py` connects them.
"""
