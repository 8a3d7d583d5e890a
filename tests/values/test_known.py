"""What is put off until somebody asks, or shared, is the same as if it were not."""

from __future__ import annotations

from baggage.clock import MAX_DEPTH, MAX_HEIGHT, NONE, SEED, Id, id_depth
from baggage.values import EMPTY, Baggage, Count, Key, Last, Map, Sum, fit, key, receive
from baggage.values.history import History
from baggage.values.known import NOTHING, Known
from baggage.values.pen import Owner, Spent, mark, new_pen, owner, take, taken

LAST, SUM, COUNT = Key("k", Last), Key("k", Sum), Key("k", Count)


def test_what_was_just_packed_is_not_empty_before_anybody_looked() -> None:
    assert not EMPTY.pack("k", 1).history.empty
    assert EMPTY.history.empty


def test_a_last_value_on_top_of_what_came_supersedes_what_came_and_leaves_the_rest() -> None:
    came = EMPTY.pack(LAST, 1).pack("other", 2).serialize()
    carried = receive(came).pack("mine", 3).pack(LAST, 4)
    assert carried.siblings("k") == (4,)
    assert (carried.unpack("other"), carried.unpack("mine")) == ((2,), (3,))
    assert receive(carried.join(receive(came)).serialize()).siblings("k") == (4,)


def test_a_join_with_who_lost_all_knowledge_keeps_every_value_and_knows_no_more() -> None:
    whole = EMPTY.pack("k", 1)
    nothing = receive(fit(whole, 2).blob)
    assert nothing.history.over is not None
    for joined in (whole.join(nothing), whole.join(nothing).join(whole), nothing.join(whole)):
        assert joined.unpack("k") == (1,)
        assert not joined.complete("k")


def test_ids_move_over_to_a_history_that_knows_something_else() -> None:
    history = EMPTY.pack("k", 1).history
    own = history.own
    moved = history.knowing(NOTHING)
    assert moved.empty
    assert moved.own == own
    assert history.knowing(NOTHING).own == {}


def test_what_a_borrower_says_under_a_type_that_it_does_not_fit_is_not_folded() -> None:
    for declared, value in ((SUM, "text"), (COUNT, -1)):
        history = History().pack("k", value, declared.type, declared.priority)
        carried = EMPTY.with_history(history)
        assert carried.history.own
        assert carried.pack(declared, 2).siblings("k") == (value, 2)
        assert carried.pack(declared, 2).unpack(declared) == (2,)


def test_a_field_that_shows_nothing_is_no_field() -> None:
    cart = Key("cart", Map, of=Sum)
    carried = EMPTY.pack(cart["a"].name, "text").pack(cart["b"], 1)
    assert carried.fields(cart) == {"b": (1,)}
    assert carried.fields("cart") == {"a": ("text",), "b": (1,)}


def test_a_stamp_that_no_wire_carries_takes_only_the_keys_that_need_it() -> None:
    shallow = EMPTY.pack("deep", 0).history
    (root,) = shallow.own
    too_deep: Id = SEED
    for _ in range(MAX_DEPTH + 1):
        too_deep = (NONE, too_deep)
    borrower = EMPTY.with_history(History(shallow.known, {root: too_deep}))
    carried = borrower.pack("deep", 1).join(EMPTY.pack("flat", 2).peeked())
    fitted = fit(carried)
    assert fitted.dropped == ("deep",)
    came = Baggage.deserialize(fitted.blob)
    assert came.unpack("flat") == (2,)
    assert not came.complete("deep")
    for joined in (carried.join(came), came.join(carried)):
        assert set(joined.unpack("deep")) == {0, 1}


def test_a_pen_that_is_marked_or_spent_is_taken_no_more_than_once() -> None:
    pen, theirs = new_pen(), Owner()
    assert owner(pen) is None
    for mine in (theirs, Owner()):
        mark(pen, mine)
        assert owner(pen) is theirs
        assert not taken(pen)
    spent = Spent(pen, "there", joined=True)
    assert (owner(spent), spent.place, spent.joined) == (theirs, "there", True)
    assert taken(spent)
    assert not take(spent)
    assert take(pen)
    assert taken(pen)
    assert owner(pen) is theirs
    assert not take(pen)
    mark(None, theirs)
    assert owner(None) is None


def test_what_was_lent_comes_home_by_a_join_and_is_whole() -> None:
    mine, theirs = EMPTY.pack("k", 1).lend()
    assert mine.history.own == {}
    assert theirs.history.own == mine.join(theirs).history.own
    assert set(mine.join(theirs.pack("k", 2)).history.own.values()) == {SEED}


def test_a_join_may_be_left_out_of_what_can_change_nothing() -> None:
    home, down = key("h", direction="home"), key("d", direction="down")
    for nothing in (EMPTY, EMPTY.pack(down, 1), receive(EMPTY.pack(down, 1).serialize())):
        assert not nothing.returns
        assert EMPTY.pack("k", 1).join(nothing).keys() == ("k",)
    trimmed = receive(fit(EMPTY.pack("k", 1), 2).blob)
    for something in (EMPTY.pack(home, 1), EMPTY.pack("k", 1), trimmed):
        assert something.returns


def test_however_it_is_known_it_is_found_out_and_mentioned_alike() -> None:
    names = ["first name", "second name", "third name", "no name"]
    came = receive(EMPTY.pack(names[0], 1).serialize())
    layered = came.pack(names[1], 2)
    plain = layered.join(EMPTY.pack(names[2], 3))
    for size, carried in enumerate((EMPTY, came, layered, plain)):
        known = carried.history.known
        assert [name for name in names if known.mentions(name)] == names[:size]
        assert known.find() == (known.seen, known.entries, known.over)
        assert sorted(known.entries) == sorted(names[:size])


def test_a_name_that_nothing_can_have_is_read_as_nothing() -> None:
    came = receive(EMPTY.pack("k", 1).serialize())
    for name in ("\ud800", "absent"):
        assert came.unpack(name) == ()
        assert came.pack("l", 1).unpack(name) == ()
    assert not came.conflict("absent")


def test_an_answer_says_nothing_where_its_branch_knows_just_what_was_sent() -> None:
    whole = EMPTY.pack("k", 1).pack("l", 2)
    blob = whole.serialize()
    sent, came = receive(blob), receive(blob)
    assert came.returning(since=sent).empty
    trimmed = receive(fit(whole, len(blob) - 1).blob)
    for changed in (came.pack("k", 3), came.remove("k"), came.join(EMPTY.pack("m", 1)), trimmed):
        assert changed.returning(since=sent).history.shows(changed.history)
    seen_more = came.join(EMPTY.pack("m", 1).remove("m"))
    assert not seen_more.returning(since=sent).empty
    assert not came.join(trimmed).returning(since=sent).complete("l")


def test_a_root_that_a_stranger_brought_to_its_end_is_not_written_with() -> None:
    for height, written in ((MAX_HEIGHT - 1, 1), (MAX_HEIGHT, 2)):
        borrower = EMPTY.with_history(History(Known({7: height}, {}), {7: SEED}))
        carried = borrower.pack("k", 1)
        assert len(carried.history.seen) == written
        assert Baggage.deserialize(carried.serialize()).unpack("k") == (1,)
        assert 7 in carried.history.own


def test_splits_one_by_one_and_all_at_once_both_stay_shallow() -> None:
    rest, depths = EMPTY.pack("k", 0), []
    for _ in range(100):
        rest, part = rest.split()
        depths += [id_depth(each) for each in part.history.own.values()]
    assert max(depths) == 29
    parts = EMPTY.pack("k", 0).split(100)
    assert max(id_depth(part.history.own[root]) for part in parts for root in part.history.own) == 7


def test_what_is_split_keeps_all_other_ids_in_the_first_branch() -> None:
    one, other = EMPTY.pack("k", 1), EMPTY.pack("k", 2).split()[0]
    joined = one.join(other)
    first, second = joined.split()
    (root,) = one.history.own
    assert set(first.history.own) == set(joined.history.own)
    assert set(second.history.own) == {root}, "the shallowest id is divided"
    assert set(first.join(second).history.own.items()) == set(joined.history.own.items())


def test_names_that_stand_for_nothing_are_not_remembered() -> None:
    carried = Baggage()
    for number in range(100):
        assert carried.unpack(f"nothing.{number}") == ()
    assert not carried._unpacked


def test_a_join_with_what_is_known_takes_no_right_to_write() -> None:
    mine = EMPTY.pack("k", 1)
    for same in (mine, mine.peeked(), mine.departing(), EMPTY):
        assert mine.join(same) is mine
    assert set(mine.pack("k", 2).history.own) == set(mine.history.own)


def test_the_first_event_of_a_root_raises_it_by_one() -> None:
    carried = EMPTY.pack("k", 1)
    assert set(carried.history.seen.values()) == {1}
    assert set(carried.pack("k", 2).history.seen.values()) == {2}
