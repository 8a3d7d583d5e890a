"""What every Python imports first that finds this directory on its PYTHONPATH: `baggage.auto`.

`baggage run` puts it there. Belongs here: stepping aside for the `sitecustomize` that is hidden by
this one, and failing in one line. Does not: what is instrumented. Any Python may come by, of any
age and without `baggage`, so this is written in what all of them understand.
"""

import os
import sys

OWN = os.path.dirname(os.path.abspath(__file__))
THIS = sys.modules[__name__]  # an old Python empties a module that nobody holds


def step_aside():  # type: () -> None
    """Leave the program the path that it has without us. Children find us by PYTHONPATH."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != OWN]
    del sys.modules[__name__]


def activate():  # type: () -> None
    """Instrument this process, or say in one line why not."""
    try:
        import baggage.auto  # noqa: F401
        from baggage.runtime.launching import stay_first

        stay_first(OWN)
    except Exception as error:  # noqa: BLE001 - a program is never kept from starting
        reason = " ".join(str(error).split()) or type(error).__name__
        said = "baggage: " + str(sys.executable) + " runs uninstrumented: " + reason + "\n"
        if sys.stderr is not None:
            sys.stderr.write(said)


def import_hidden():  # type: () -> BaseException | None
    """Import the `sitecustomize` that this one hides; return what that raised."""
    try:
        import sitecustomize  # noqa: F401
    except BaseException as error:  # noqa: BLE001 - raised again
        return error
    return None


step_aside()
# If there is none, the importer of this one is told so, as without us. Or else it gets that.
RAISED = import_hidden()
activate()  # after it was handled: what is logged there did not come of it
if RAISED is not None:
    raise RAISED
