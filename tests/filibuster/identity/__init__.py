"""Programs that make many equal calls at once, and what each of the calls was called.

Run as a process of its own, since all of it is instrumented: see `__main__`.
"""
