"""Messages by a broker that several processes take from: executions wait for all of them."""

from __future__ import annotations

import pytest

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.explore.completeness import unseen
from metaapps.filibuster.single import unhit
from metaapps.filibuster.tree import build
from tests.filibuster.conftest import Deployed
from tests.filibuster.posting.running import SERVICES, Post
from tests.filibuster.shell import Ended, Shell

PUBLISHES = """
import os, requests

def test_{name}():
    assert requests.get(os.environ["SHOP_URL"] + "/{path}", timeout=300).status_code < 600
"""
PUBLISHES_ITSELF = f"""
import sys

sys.path.insert(0, {str(SERVICES.parent)!r})
import courier

def test_publishes():
    courier.publish("orders", "book")
"""


@pytest.fixture(scope="module")
def post(deployed: Deployed) -> Post:
    return Post(deployed(SERVICES))


@pytest.fixture
def shop(shell: Shell, deployed: Deployed) -> Shell:
    return Shell(shell.directory, deployed(SERVICES))


def explored(shop: Shell, path: str, *options: str, test: str = PUBLISHES) -> Ended:
    shop.write("test_shop.py", test.format(name="shop", path=path))
    # All of it ends, and is waited for as long as it takes; so is who else takes news.
    patience = ("--settle", "300" if "news" in path else "60")
    return shop.filibuster("run", "--functional-test", "test_shop.py", *patience, *options)


@pytest.mark.parametrize("path", ["publish/orders", "publish/chained", "later/orders"])
@pytest.mark.parametrize("workers", ["1", "4"])
def test_what_consumers_call_is_found_and_failed_wherever_they_run(
    shop: Shell, path: str, workers: str
) -> None:
    ended = explored(shop, path, "--max-faults", "1", "--workers", workers)
    assert (ended.code, ended.err) == (0, ""), ended.out
    calls = [line for line in ended.calls if line.startswith("worker → bank")]
    assert ended.totals.ran == 6
    assert sum("injected" in line for line in calls) == 5
    assert "warnings" not in ended.out


def test_what_the_test_publishes_itself_is_waited_for(shop: Shell) -> None:
    ended = explored(shop, "", test=PUBLISHES_ITSELF)
    assert (ended.code, ended.err) == (0, ""), ended.out
    assert ended.totals.ran == 6
    assert "warnings" not in ended.out


def test_a_message_that_several_services_take_is_waited_for_in_all_of_them(post: Post) -> None:
    came = post.under("publish/news")
    assert came.deliveries == [("mailer: news.mailer", 1), ("worker: news.worker", 1)]
    assert [call.source for call in came.calls] == ["mailer", "worker"]
    assert build(came.execution.observations).findings == ()
    assert came.execution.unfinished == ()


def test_a_message_says_who_took_it(post: Post) -> None:
    (message,) = post.under("publish/orders").messages
    assert (message.source, message.target, message.operation) == ("shop", "worker", "orders")
    (message,) = post.under("publish/news").messages
    assert message.target == ""


@pytest.mark.parametrize("queue", ["charges", "flagged", "uncounted"])
def test_each_redelivery_is_a_branch_of_its_own_however_the_broker_counts(
    post: Post, queue: str
) -> None:
    rule = "worker→bank: status 503 first 3"
    came, again = (post.under(f"publish/{queue}", rule) for _ in range(2))
    assert came.deliveries == [(f"worker: {queue}", number) for number in (1, 2, 3, 4)]
    assert [call.status for call in came.calls] == [503, 503, 503, 200]
    assert [call.index for call in came.calls] == [call.index for call in again.calls]
    assert len({call.index for call in came.calls}) == 4
    assert build(came.execution.observations).findings == ()
    assert came.execution.unfinished == ()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("publish/endless", "what worker does with the message to endless (courier) that shop put"),
        ("publish/nobody", "the message to nobody (courier) that shop put at app.published:"),
        ("publish/poison", "the message to poison (courier) that shop put at app.published:"),
    ],
)
def test_a_message_that_does_not_end_is_named(post: Post, path: str, told: str) -> None:
    execution = post.under(path).execution
    (finding,) = unseen(execution)
    assert told in finding.text
    assert build(execution.observations).findings == ()


def test_what_a_consumer_called_is_known_though_it_does_not_end(post: Post) -> None:
    assert [call.source for call in post.under("publish/endless").calls] in ([], ["worker"])


@pytest.mark.parametrize("meant", ["orders", "courier", "worker", "courier orders", "*"])
def test_a_message_is_dropped_by_any_name_of_its_end(post: Post, meant: str) -> None:
    first, last = post.runs("publish/orders", f"shop→{meant}: drop")
    assert len(first.calls) == 1
    assert (last.status, last.calls, last.deliveries) == (202, [], [])
    assert not unhit(last.execution, build(last.execution.observations))


def test_a_message_that_is_duplicated_is_two_deliveries_that_can_each_fail(post: Post) -> None:
    came = post.under("publish/orders", "shop→orders: duplicate", "worker→bank: status 503 first 1")
    assert came.deliveries == [("worker: orders", 1), ("worker: orders", 2)]
    assert [call.status for call in came.calls] == [503, 200]
    assert not unhit(came.execution, build(came.execution.observations))


def test_a_message_that_is_late_is_waited_for(post: Post) -> None:
    came = post.under("publish/orders", "shop→orders: delay 2500ms")
    assert len(came.calls) == 1
    assert came.execution.unfinished == ()
    assert came.messages[0].injected == Fault(FaultKind.DELAY, seconds=2.5)


def test_no_message_is_delayed_by_more_than_a_minute(post: Post) -> None:
    came = post.under("publish/orders", "shop→orders: delay 61s")
    (planned,) = unhit(came.execution, build(came.execution.observations))
    assert planned.fault.kind is FaultKind.DELAY
    assert len(came.calls) == 1


def test_a_broker_that_is_gone_is_what_its_publisher_sees(post: Post) -> None:
    came = post.under("publish/orders", "shop→orders: refused")
    assert (came.status, came.calls) == (503, [])
    assert came.execution.unfinished == ()


def test_a_batch_works_for_its_first_message_and_all_of_them_end(post: Post) -> None:
    came = post.under("both/pairs")
    assert [message.occurrence for message in came.messages] == [1, 2]
    assert came.deliveries == [("worker: pairs", 1), ("worker: pairs", 1)]
    (call,) = came.calls
    first = came.messages[0].index
    (delivery,) = build(came.execution.observations).within(first)
    assert call.parent == delivery.index
    assert came.execution.unfinished == ()


def test_batches_of_several_executions_keep_none_of_them_waiting(shop: Shell) -> None:
    options = ("--max-faults", "1", "--workers", "4", "--check-interference", "0")
    ended = explored(shop, "both/pairs", *options)
    assert "unseen" not in ended.out
    assert "orphaned" not in ended.out


def test_an_analysis_file_has_messages_drop_and_come_twice(shop: Shell) -> None:
    faults = '["shop→orders: drop", "shop→orders: duplicate", "worker→bank: status 503"]'
    analysis = shop.write("analysis.json", f'{{"http": {{"faults": {faults}}}}}')
    ended = explored(shop, "publish/orders", "--analysis-file", analysis, "--workers", "2")
    assert (ended.code, ended.err) == (0, ""), ended.out
    # Nothing, drop, 503; duplicate with neither, one and both of its calls failing.
    assert ended.totals.ran == 7, ended.out


def test_a_search_has_the_first_deliveries_fail_and_the_next_one_go_through(shop: Shell) -> None:
    faults = '["worker→bank: status 503 first 3"]'
    analysis = shop.write("analysis.json", f'{{"http": {{"faults": {faults}}}}}')
    options = ("--analysis-file", analysis, "--max-faults", "1")
    ended = explored(shop, "publish/charges", *options)
    assert (ended.code, ended.err) == (0, ""), ended.out
    assert ended.totals.ran == 2
    assert "taken by worker: charges, delivery 4" in ended.out
    assert "delivery 5" not in ended.out


ASSERTS = """
import os, requests
from metaapps.filibuster.assertions import was_fault_injected_on

def test_{name}():
    requests.get(os.environ["SHOP_URL"] + "/{path}", timeout=300)
    assert not was_fault_injected_on("worker")
"""


def test_a_fault_of_a_message_is_one_on_the_service_that_takes_it(shop: Shell) -> None:
    rule = ("--fault", "shop→orders: drop")
    ended = explored(shop, "publish/orders", *rule, test=ASSERTS)
    assert ended.code == 1, ended.out + ended.err


CHARGED = """
import os, time, requests
from metaapps.filibuster.assertions import was_fault_injected

def test_charged():
    requests.get(os.environ["BANK_URL"] + "/log", timeout=300)  # what others had charged
    assert requests.get(os.environ["SHOP_URL"] + "/publish/charges", timeout=300).status_code == 202
    while "book" not in requests.get(os.environ["BANK_URL"] + "/log", timeout=300).json():
        time.sleep(0.01)
    assert not was_fault_injected()
"""


def test_a_counterexample_hits_the_same_redeliveries(shop: Shell) -> None:
    shop.write("test_charged.py", CHARGED)
    rule = "worker→bank: status 503 first 2"
    found = shop.filibuster("run", "--functional-test", "test_charged.py", "--fault", rule)
    assert found.code == 1, found.out + found.err
    again = shop.filibuster("replay", "counterexample.json")
    assert again.code == 1
    assert "Reproduced" in again.out
    assert "taken by worker: charges, delivery 3" in again.out


def test_what_is_committed_is_the_same_with_any_number_of_workers(shop: Shell) -> None:
    exports = []
    for workers in ("1", "4"):
        options = ("--max-faults", "1", "--check-interference", "0")
        ended = explored(shop, "publish/news", *options, "--workers", workers)
        assert (ended.code, ended.err) == (0, ""), ended.out
        exports.append(shop.filibuster("export").out)
    assert exports[0] == exports[1]
    assert exports[0]
