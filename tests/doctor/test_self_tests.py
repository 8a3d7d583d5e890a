"""A self-test passes where a boundary is crossed, and says in one line what is lost where not."""

from __future__ import annotations

from typing import Any, Final

from tests.doctor.patients import Site, row

PATIENTLY: Final = ("--timeout", "280")
NOTHING = "def instrument(boundary, switch): pass"


def test_every_library_that_is_installed_here_passes(site: Site, amqp_url: str) -> None:
    said = site.examined("--amqp-url", amqp_url, *PATIENTLY)
    results = {each["library"]: each["self_test"]["result"] for each in said["libraries"]}
    assert {library: it for library, it in results.items() if it != "passed"} == {}, said[
        "illnesses"
    ]
    assert said["illnesses"] == []


def test_an_instrumentation_that_does_nothing_loses_what_was_packed(site: Site) -> None:
    site.instrumentation("requests", NOTHING)
    said = site.examined("requests")
    lost = "a value that was packed before the crossing did not arrive behind it"
    assert said["illnesses"] == [f"requests: {lost}: nothing was there"]


def test_one_that_brings_nothing_home_is_told_apart(site: Site) -> None:
    site.instrumentation(
        "requests",
        """
        import requests
        from baggage.boundary import write_header
        from baggage.context import current

        def instrument(boundary, switch):
            send = requests.Session.send
            def sending(self, request, **options):
                request.headers["baggage"] = write_header(current())
                return send(self, request, **options)
            requests.Session.send = sending
        """,
    )
    (illness,) = site.examined("requests")["illnesses"]
    assert illness == "requests: a value that was packed behind the crossing did not come home"


def test_an_instrumentation_that_raises_is_told_in_a_line_and_its_traceback_if_asked(
    site: Site,
) -> None:
    site.instrumentation("flask", "def instrument(boundary, switch):\n    raise KeyError('nobody')")
    ran = site.run("doctor", "flask")
    assert ran.returncode == 1
    assert "flask: KeyError: 'nobody'" in ran.stdout
    assert "Traceback" not in ran.stdout
    ran = site.run("doctor", "--verbose", "flask")
    assert "Traceback (most recent call last):" in ran.stdout
    assert "raise KeyError('nobody')" in ran.stdout


def test_one_that_raises_is_told_without_a_self_test_too(site: Site) -> None:
    site.install("patient-library", {"patient_library": ""}, {})
    site.instrumentation(
        "patient_library", "def instrument(boundary, switch):\n    raise KeyError(3)"
    )
    assert site.examined("patient_library")["illnesses"] == ["patient_library: KeyError: 3"]


HANGS: Final = "it took longer than 3 s: something hangs"
ILL: Final = {
    "flask": ("import os; os._exit(7)", "its process ended with exit code 7"),
    "queue": ("import os; os.abort()", "its process ended with signal SIGABRT"),
    "http.client": ("raise SystemExit('enough')", "SystemExit: enough"),
}


def reasons(said: dict[str, Any]) -> dict[str, str]:
    return {each["library"]: each["self_test"]["reason"] for each in said["libraries"]}


def test_one_that_crashes_harms_no_other(site: Site) -> None:
    for number, (library, (does, _)) in enumerate(ILL.items()):
        source = f"def instrument(boundary, switch):\n    {does}"
        site.instrumentation(library, source, f"patient{number}")
    found = reasons(site.examined(*ILL, "threading", *PATIENTLY))
    assert found == {library: reason for library, (_, reason) in ILL.items()} | {"threading": ""}


def test_one_that_hangs_is_ended_and_the_next_one_is_tried(site: Site) -> None:
    site.instrumentation("requests", "def instrument(boundary, switch):\n    while True: pass")
    found = reasons(site.examined("requests", "threading", "--timeout", "3"))
    assert found["requests"] == HANGS
    assert found["threading"] in ("", HANGS)  # where it doesn't get its turn for so long


def test_what_somebody_else_instruments_brings_its_own_self_test(site: Site) -> None:
    site.install("patient-library", {"patient_library": "def call(work): return work()"}, {})
    site.instrumentation(
        "patient_library",
        """
        from baggage.doctor import Probe, behind

        def cross(peers):
            import patient_library
            return patient_library.call(behind)

        def instrument(boundary, switch): pass

        PROBE = Probe(cross)
        """,
    )
    said = site.examined("patient_library")
    assert row(said, "patient_library")["self_test"]["result"] == "passed"


def test_without_a_server_nothing_is_tried_and_that_is_told_plainly(site: Site) -> None:
    said = site.examined("pika", "redis", PATH="/nowhere")
    for library, option in {"pika": "--amqp-url", "redis": "--redis-url"}.items():
        trial = row(said, library)["self_test"]
        assert (trial["result"], trial["details"]) == ("not tried", "")
        assert trial["reason"].startswith(f"no server: name one by {option}")
    assert said["healthy"]
    text = site.run("doctor", "pika").stdout
    assert "not tried: no server" in text
    assert "self-tests: 1 not tried" in text


def test_a_server_that_is_named_and_not_there_is_an_illness(site: Site) -> None:
    (illness,) = site.examined("redis", "--redis-url", "redis://127.0.0.1:1/")["illnesses"]
    assert illness.startswith("redis: ConnectionError: ")


def test_no_setting_of_the_process_gets_in_the_way(site: Site) -> None:
    site.project('disabled = true\nhosts = "*.internal"\nbudget = 0')
    said = site.examined("requests", BAGGAGE_DISABLED="1", BAGGAGE_EXCLUDE="requests")
    assert row(said, "requests")["self_test"]["result"] == "passed"


def test_it_can_just_look(site: Site) -> None:
    site.instrumentation("requests", "raise RuntimeError")
    said = site.examined("--no-self-test", "requests", "queue")
    assert [each["self_test"] for each in said["libraries"]] == [None, None]
    assert site.run("doctor", "--no-self-test").stdout.splitlines()[-1].endswith("was run")
